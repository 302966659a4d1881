# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
From message fields to numpy: the end of ROS.

Everything here is duck-typed, so that live messages and messages of a bag take the same way.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import Camera
from lingbot_policy.wire import JointMap, state_maps

Converter = Callable[[Any], np.ndarray]

_CHANNELS = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'bgra8': 4, 'mono8': 1, '8UC1': 1, '8UC3': 3}
_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    '8UC3': cv2.COLOR_BGR2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
    '8UC1': cv2.COLOR_GRAY2RGB,
}


def stamp_ns(msg: Any) -> int:
    """Return the sensor's stamp in ns, or 0 where the message was never stamped."""
    stamp = msg.header.stamp
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def image_from_msg(
    msg: Any, camera: Camera, name: str, converter: Converter | None = None
) -> np.ndarray:
    """
    Return a camera message as RGB, shape (height, width, 3), uint8; rgb8 without a copy.

    :param converter: turns messages of any other encoding into RGB (cv_bridge, where installed).
    :raises ValueError: for an encoding nobody can read, or data which do not fit their header.
    """
    if camera.transport == 'compressed':
        return _decompress(msg.data, f'{name} ({msg.format!r})')
    if camera.transport == 'raw_jpeg' or msg.encoding.lower() in ('jpeg', 'jpg', 'png'):
        return _decompress(msg.data, f'{name} (compressed bytes inside an Image)')
    if msg.encoding in _CHANNELS:
        pixels = _pixels(msg, _CHANNELS[msg.encoding], name)
        code = _TO_RGB.get(msg.encoding)
        return pixels if code is None else cv2.cvtColor(pixels, code)
    if converter is not None:
        return converter(msg)
    raise ValueError(
        f'camera {name}: encoding {msg.encoding!r} is not read here, expected one of '
        f'{", ".join(_CHANNELS)}, jpeg, png. Set the driver to rgb8, or install cv_bridge.'
    )


def _pixels(msg: Any, channels: int, name: str) -> np.ndarray:
    row = msg.width * channels
    if msg.step < row or len(msg.data) < msg.step * msg.height or not row * msg.height:
        raise ValueError(
            f'camera {name}: {len(msg.data)} bytes with step {msg.step} for '
            f'{msg.width}x{msg.height} {msg.encoding}, expected {row * msg.height} with step {row}'
        )
    rows = np.frombuffer(msg.data, dtype=np.uint8, count=msg.step * msg.height)
    pixels = rows.reshape(msg.height, msg.step)[:, :row].reshape(msg.height, msg.width, channels)
    pixels.flags.writeable = False
    return pixels


def _decompress(data: Any, where: str) -> np.ndarray:
    buffer = np.frombuffer(data, dtype=np.uint8)
    image = cv2.imdecode(buffer, cv2.IMREAD_COLOR_RGB) if buffer.size else None
    if image is None:
        raise ValueError(
            f'camera {where}: {buffer.size} bytes starting {bytes(buffer[:4]).hex()!r} are no '
            'JPEG or PNG. Check transport in the robot file against the driver.'
        )
    return image


class StateDecoder:
    """Reads the joints which one state topic of a robot carries."""

    def __init__(self, robot: Robot, key: str) -> None:
        self._maps: tuple[JointMap, ...] = state_maps(robot, key)
        self._where = f'{robot.name} {robot.file.state_topics[key].topic}'
        self.slots = np.concatenate([m.slots for m in self._maps])

    def decode(self, msg: Any) -> np.ndarray:
        """
        Return the internal values for :attr:`slots`: rad, grippers 0 closed .. 1 open.

        :raises ValueError: if the message lacks a joint or holds something that is no number.
        """
        return np.concatenate([m.read(msg, self._where) for m in self._maps])


def chunk_from_msg(msg: Any, robot: Robot) -> ActionChunk:
    """
    Return the chunk of a lingbot_msgs/ActionChunk.

    :raises RejectedChunk: names, if its joints are not the robot's in the robot's order.
    """
    trajectory = msg.trajectory
    if tuple(trajectory.joint_names) != robot.joints:
        raise RejectedChunk(
            'names', f'found {list(trajectory.joint_names)}, expected {list(robot.joints)}'
        )
    rows = [point.positions for point in trajectory.points]
    if any(len(row) != robot.dof for row in rows):
        raise RejectedChunk('shape', f'a step has not {robot.dof} positions')
    return ActionChunk(
        positions=np.array(rows, dtype=np.float64).reshape(len(rows), robot.dof),
        t_ref_ns=stamp_ns(trajectory),
        rate_hz=msg.rate_hz,
        first_step_offset=msg.first_step_offset,
        sequence=msg.sequence,
        contract_digest=msg.contract_hash,
        instruction=msg.instruction,
    )
