# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Frames of Qinglong's manipulation SDK over UDP, port 8003, to and from SI values.

Layout: dora-rs/dora-openloong-examples @ 9b4a43a, openloong-dora-udp/sdk/loong_mani_sdk, with the
sizes of openloong-dora-sim/workflow/sim_runners/mani_ctrl.py (19 joints, six fingers a hand, two
neck joints, three waist joints). Little endian, packed without padding; no checksum and no
sequence number, so that a frame is known by its exact length and its plausible content.

The joint SDK of port 8006 is not used: one frame of it commands all 31 joints, legs included.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.relays.wire import VendorJoints

NS = 1_000_000_000
PORT = 8003
JOINTS = VendorJoints(19, range(14))  # left arm 7, right arm 7, neck 2, waist 3
FINGERS = 6
HAND_UNIT = 'deg'
NOTHING, JOINT_CONTROL = 0, 3  # modes of arms and fingers
FARTHEST_RAD = 2 * np.pi  # no joint turns farther: beyond is a broken frame
FARTHEST_FINGER_DEG = 180.0

STATE = np.dtype(
    [
        ('size', '<i4'),
        ('timestamp', '<f8'),  # s since the epoch
        ('key', '<i2', 2),
        ('plan', 'S16'),
        ('state', '<i2', 2),  # running, task
        ('joystick', '<f4', 4),
        ('imu', '<f4', (3, 3)),  # roll pitch yaw, angular velocity, acceleration
        ('position', '<f4', JOINTS.size),
        ('velocity', '<f4', JOINTS.size),
        ('torque', '<f4', JOINTS.size),
        ('driver_temperature', '<i2', JOINTS.size),
        ('driver_state', '<i2', JOINTS.size),
        ('driver_error', '<i2', JOINTS.size),
        ('target', '<f4', (3, JOINTS.size)),  # position, velocity, torque
        ('finger', '<f4', (2, FINGERS)),  # degrees, left then right
        ('finger_target', '<f4', (2, FINGERS)),
        ('tip', '<f4', (6, 2, 6)),  # pose, velocity, wrench: measured, then commanded
    ]
)
COMMAND = np.dtype(
    [
        ('in_charge', '<i2'),
        ('filter_level', '<i2'),  # 0 strongest .. 5 none
        ('arm_mode', '<i2'),
        ('finger_mode', '<i2'),
        ('neck_mode', '<i2'),
        ('waist_mode', '<i2'),
        ('arms', '<f4', (2, 7)),
        ('wrench', '<f4', (2, 6)),
        ('fingers', '<f4', (2, FINGERS)),
        ('neck', '<f4', 2),
        ('waist', '<f4', 3),
    ]
)


@dataclass(frozen=True)
class StateFrame:
    """
    What the robot says of itself.

    ``joints`` are all of the vendor's in rad, shape (19,), arms first; ``grippers`` is one number
    a hand in degrees, left then right: the mean of its six fingers.
    """

    stamp_ns: int
    joints: np.ndarray
    grippers: np.ndarray
    driver_errors: tuple[int, ...]


def parse_state(datagram: bytes) -> StateFrame:
    """
    Return the state in a datagram.

    :raises ValueError: another length, or a value that no robot can have.
    """
    if len(datagram) != STATE.itemsize:
        raise ValueError(f'found {len(datagram)} bytes, expected {STATE.itemsize}')
    frame = np.frombuffer(datagram, STATE)[0]
    time_s = float(frame['timestamp'])
    if not 0 < time_s < 1e10:
        raise ValueError(f'timestamp: found {time_s}, expected seconds since the epoch')
    positions = frame['position'].astype(float)
    fingers = frame['finger'].astype(float)
    for name, values, farthest in (
        ('position', positions, FARTHEST_RAD),
        ('finger', fingers, FARTHEST_FINGER_DEG),
    ):
        if not (np.abs(values) <= farthest).all():  # NaN too
            raise ValueError(f'{name}: found {values}, expected within {farthest:.4g}')
    return StateFrame(
        stamp_ns=int(time_s) * NS + round(time_s % 1 * NS),  # in one product, 100 ns get lost
        joints=positions,
        grippers=fingers.mean(axis=1),
        driver_errors=tuple(int(error) for error in frame['driver_error']),
    )


def command_frame(
    arms: np.ndarray | None, grippers: np.ndarray | None, filter_level: int
) -> bytes:
    """
    Return a frame that commands what is given and leaves the rest of the robot alone.

    Without both it asks for nothing and takes no charge; the robot needs it all the same, for it
    sends its state to whom it hears.

    :param arms: rad, left then right, shape (14,).
    :param grippers: degrees, left then right, shape (2,); all six fingers of a hand follow.
    """
    frame = np.zeros((), COMMAND)
    frame['filter_level'] = filter_level
    frame['in_charge'] = arms is not None or grippers is not None
    if arms is not None:
        frame['arm_mode'] = JOINT_CONTROL
        frame['arms'] = np.asarray(arms).reshape(2, 7)
    if grippers is not None:
        frame['finger_mode'] = JOINT_CONTROL
        frame['fingers'] = np.repeat(np.asarray(grippers)[:, None], FINGERS, axis=1)
    return frame.tobytes()
