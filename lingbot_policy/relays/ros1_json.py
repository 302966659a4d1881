# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
ROS 1 messages as rosbridge writes them: time is {secs, nsecs}, uint8[] is base64, NaN is null.

RobotWebTools/rosbridge_suite, ROSBRIDGE_PROTOCOL.md.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

NS = 1_000_000_000
IMAGE_TYPE = 'sensor_msgs/CompressedImage'
JOINT_STATE_TYPE = 'sensor_msgs/JointState'
TIME_SERVICE = '/rosapi/get_time'


@dataclass(frozen=True)
class Stamped:
    """Values of one message, with the stamp the robot gave them."""

    stamp_ns: int
    values: np.ndarray


@dataclass(frozen=True)
class Picture:
    stamp_ns: int
    frame_id: str
    format: str
    data: bytes


def time_ns(time: Mapping) -> int:
    """Return a ROS 1 time in ns; :raises ValueError: for anything else."""
    try:
        return int(time['secs']) * NS + int(time['nsecs'])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'found {time!r}, expected a time with secs and nsecs') from error


def picture(msg: Mapping) -> Picture:
    """Return a CompressedImage message; :raises ValueError: where it holds no image."""
    try:
        data = base64.b64decode(at(msg, 'data'), validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError(f'data: {error}, expected base64') from error
    if not data:
        raise ValueError('data: found nothing, expected an image')
    frame_id = str(at(msg, 'header').get('frame_id', ''))
    return Picture(stamp_of(msg), frame_id, str(at(msg, 'format')), data)


def header(stamp_ns: int) -> dict:
    """Return a header for a message of ours."""
    secs, nsecs = divmod(stamp_ns, NS)
    return {'seq': 0, 'stamp': {'secs': secs, 'nsecs': nsecs}, 'frame_id': ''}


def stamp_of(msg: Mapping) -> int:
    """Return the header's stamp; :raises ValueError: where there is none."""
    stamp_ns = time_ns(at(msg, 'header', 'stamp'))
    if stamp_ns <= 0:
        raise ValueError(f"header.stamp: found {stamp_ns}, expected the sensor's time")
    return stamp_ns


def at(msg: Mapping, *path: str):
    """Return a field by its path; :raises ValueError: where it is missing."""
    for key in path:
        if not isinstance(msg, Mapping) or key not in msg:
            raise ValueError(f'{".".join(path)}: missing')
        msg = msg[key]
    return msg


def numbers(values) -> np.ndarray:
    """Return a list of finite numbers; :raises ValueError: for anything else."""
    try:
        array = np.array(values, dtype=float)  # rosbridge writes null for NaN
    except (TypeError, ValueError) as error:
        raise ValueError(f'found {values!r}, expected numbers') from error
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f'found {values!r}, expected finite numbers')
    return array
