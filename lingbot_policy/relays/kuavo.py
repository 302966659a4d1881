# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The ROS 1 wire of a Leju Kuavo as rosbridge's JSON, to and from SI values.

Names, types, order and units: LejuRobotics/kuavo-ros-opensource @ 0330875, src/kuavo_msgs
(sensorsData, jointData, endEffectorData, lejuClawState, lejuClawCommand, changeArmCtrlMode) and
its interface manual; cameras: LejuRobotics/kuavo_data_challenge @ fce8528, kuavo_env.yaml.
"""

from collections.abc import Mapping, Sequence
import math

from lingbot_policy.relays.ros1_json import at, header, numbers, stamp_of, Stamped
from lingbot_policy.relays.wire import VendorJoints

SENSORS = ('/sensors_data_raw', 'kuavo_msgs/sensorsData')  # 500 Hz
CLAW_STATE = ('/leju_claw_state', 'kuavo_msgs/lejuClawState')
ARM_COMMAND = ('/kuavo_arm_traj', 'sensor_msgs/JointState')
CLAW_COMMAND = ('/leju_claw_command', 'kuavo_msgs/lejuClawCommand')
CAMERAS = {
    'head': '/cam_h/color/image_raw/compressed',
    'left_wrist': '/cam_l/color/image_raw/compressed',
    'right_wrist': '/cam_r/color/image_raw/compressed',
}
ARM_MODE_SERVICE = '/arm_traj_change_mode'
KEEP_POSE, EXTERNAL_CONTROL = 0, 2  # 1 swings the arms while walking

JOINTS = VendorJoints(28, range(12, 26))  # legs 12, left arm 7, right arm 7, head 2
ARM_NAMES = tuple(f'arm_joint_{number}' for number in range(1, 15))
CLAWS = ('left_claw', 'right_claw')
CLAW_VELOCITY = 50.0  # percent; the vendor's default
CLAW_EFFORT = 1.0  # A; the vendor's default


def joint_positions(msg: Mapping) -> Stamped:
    """
    Return all joints of a sensorsData message in rad, shape (28,).

    :raises ValueError: a field is missing, not finite, or the robot has other joints.
    """
    joints = numbers(at(msg, 'joint_data', 'joint_q'))
    if len(joints) != JOINTS.size:
        raise ValueError(
            f'joint_data.joint_q: found {len(joints)} values, expected {JOINTS.size}: another '
            'robot version, where the arms stand elsewhere'
        )
    return Stamped(stamp_of(msg), joints)


def claw_positions(msg: Mapping) -> Stamped:
    """Return both claws of a lejuClawState message in percent, left then right, shape (2,)."""
    positions = numbers(at(msg, 'data', 'position'))
    names = at(msg, 'data', 'name') or CLAWS
    if len(positions) != 2 or sorted(names) != sorted(CLAWS):
        raise ValueError(f'claw state: found {list(names)} {positions}, expected {list(CLAWS)}')
    return Stamped(stamp_of(msg), positions[[list(names).index(name) for name in CLAWS]])


def arm_command(positions: Sequence[float], stamp_ns: int) -> dict:
    """Return a message for both arms from rad, left then right: the wire is in degrees."""
    return {
        'header': header(stamp_ns),
        'name': list(ARM_NAMES),
        'position': [math.degrees(position) for position in positions],
        'velocity': [],
        'effort': [],
    }


def claw_command(positions: Sequence[float], stamp_ns: int) -> dict:
    """Return a message for both claws from percent, left then right."""
    return {
        'header': header(stamp_ns),
        'data': {
            'name': list(CLAWS),
            'position': [float(position) for position in positions],
            'velocity': [CLAW_VELOCITY] * 2,
            'effort': [CLAW_EFFORT] * 2,
        },
    }
