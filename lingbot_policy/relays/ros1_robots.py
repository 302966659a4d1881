# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What goes through rosbridge, by the link of the robot file.

A Kuavo (rosbridge) whole. Of a Qinglong (udp) what its UDP SDK lacks: the cameras, and grippers
where the file has them in mm; topics: zz0320/openloong_collect_data @ 9afd9a5 and
andong520/lerobot_openloong @ 2214a49, both from the robot, neither from the vendor.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lingbot_policy.relays import kuavo, qinglong
from lingbot_policy.relays.ros1_json import (
    at,
    header,
    JOINT_STATE_TYPE,
    numbers,
    stamp_of,
    Stamped,
)
from lingbot_policy.relays.wire import ENABLE, ENABLE_GRIPPERS, VendorJoints
from lingbot_policy.robot import Robot


@dataclass(frozen=True)
class Heard:
    """A ROS 1 state topic; ``side`` where its message has one gripper: 0 left, 1 right."""

    topic: str
    type: str
    read: Callable[[Mapping], Stamped]
    pair: str
    side: int | None = None


@dataclass(frozen=True)
class Told:
    """A ROS 1 command topic."""

    topic: str
    type: str
    write: Callable[[Sequence[float], int], dict]


@dataclass(frozen=True)
class Ros1Robot:
    """One robot's ROS 1 side; ``alive`` is the pair whose states keep the gate open."""

    carried: tuple[str, ...]
    alive: str
    joints: VendorJoints
    gripper_unit: str
    service: str
    heard: tuple[Heard, ...]
    told: Mapping[str, Told]
    cameras: Mapping[str, str]
    has_arm_mode: bool


def _gripper(msg: Mapping) -> Stamped:
    return Stamped(stamp_of(msg), numbers(at(msg, 'position'))[:1])


def _grippers(positions: Sequence[float], stamp_ns: int) -> dict:
    position = [float(position) for position in positions]
    return {'header': header(stamp_ns), 'name': [], 'position': position} | {
        'velocity': [],
        'effort': [],
    }


KUAVO = Ros1Robot(
    carried=('arms', 'grippers'),
    alive='joint_states',
    joints=kuavo.JOINTS,
    gripper_unit='percent',
    service=ENABLE,
    heard=(
        Heard(*kuavo.SENSORS, kuavo.joint_positions, 'joint_states'),
        Heard(*kuavo.CLAW_STATE, kuavo.claw_positions, 'gripper_states'),
    ),
    told={
        'joint_commands': Told(*kuavo.ARM_COMMAND, kuavo.arm_command),
        'gripper_commands': Told(*kuavo.CLAW_COMMAND, kuavo.claw_command),
    },
    cameras=kuavo.CAMERAS,
    has_arm_mode=True,
)
QINGLONG = Ros1Robot(
    carried=('grippers',),
    alive='gripper_states',
    joints=qinglong.JOINTS,
    gripper_unit='mm',
    service=ENABLE_GRIPPERS,
    heard=tuple(
        Heard(
            f'/gripper{side + 1}_position_mm_upsample',
            JOINT_STATE_TYPE,
            _gripper,
            'gripper_states',
            side,
        )
        for side in (0, 1)
    ),
    told={'gripper_commands': Told('/gripper_action_pub', JOINT_STATE_TYPE, _grippers)},
    cameras={
        'head': '/camera_f/color/image_raw/compressed',
        'left_wrist': '/camera_l/color/image_raw/compressed',
        'right_wrist': '/camera_r/color/image_raw/compressed',
    },
    has_arm_mode=False,
)
BY_LINK = {'rosbridge': KUAVO, 'udp': QINGLONG}


def ros1_side(robot: Robot) -> tuple[Ros1Robot, tuple[str, ...]]:
    """
    Return the ROS 1 side of a robot, and what of it this relay carries beside the cameras.

    :raises ValueError: for a robot without one.
    """
    if robot.file.link not in BY_LINK:
        raise ValueError(
            f'{robot.path}: link: found {robot.file.link}, expected one of {", ".join(BY_LINK)} '
            'for a relay through rosbridge'
        )
    side = BY_LINK[robot.file.link]
    by_udp = robot.file.link == 'udp' and robot.file.grippers['left'].state.unit != 'mm'
    return side, () if by_udp else side.carried


def both_sides(sides: Mapping[int, Stamped]) -> Stamped:
    """Return left and right as one; it is as old as the older of them."""
    return Stamped(
        min(side.stamp_ns for side in sides.values()),
        np.concatenate([sides[0].values, sides[1].values]),
    )
