# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""From numpy to messages: where ROS begins again."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

from builtin_interfaces.msg import Duration, Time
import cv2
from lingbot_msgs.msg import ActionChunk as ActionChunkMsg
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from trajectory_msgs.msg import JointTrajectoryPoint

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import Camera, CommandTopic, StateTopic
from lingbot_policy.wire import command_maps, JointMap, state_maps

NS = 1_000_000_000


def message_type(name: str, drivers: Iterable[str] = ()) -> type:
    """
    Return the Python class of a type like ``sensor_msgs/msg/JointState``; of an action its goal.

    :param drivers: where the package can be had, for the message of the error.
    :raises ValueError: if its package is not installed, or has no such type.
    """
    package, kind, cls = name.split('/')
    try:
        found = getattr(import_module(f'{package}.{kind}'), cls)
    except ImportError as error:
        places = f' Its drivers: {"; ".join(drivers)}.' if drivers else ''
        raise ValueError(
            f'message type {name}: package {package} is not installed here ({error}). '
            f'Build it in ros2_ws or install ros-jazzy-{package.replace("_", "-")}.{places}'
        ) from error
    except AttributeError as error:
        raise ValueError(f'message package {package} has no {kind} {cls}') from error
    return found.Goal if kind == 'action' else found


def time_msg(stamp_ns: int) -> Time:
    return Time(sec=stamp_ns // NS, nanosec=stamp_ns % NS)


def chunk_to_msg(chunk: ActionChunk, joints: tuple[str, ...], created_ns: int) -> ActionChunkMsg:
    """Return a chunk as a message; ``created_ns`` is the ROS time of its creation."""
    msg = ActionChunkMsg()
    msg.trajectory.header.stamp = time_msg(chunk.t_ref_ns)
    msg.trajectory.joint_names = list(joints)
    for step, positions in enumerate(chunk.positions):
        due_ns = round((step + chunk.first_step_offset) * chunk.step_ns)
        point = JointTrajectoryPoint(positions=positions.tolist())
        point.time_from_start = Duration(sec=due_ns // NS, nanosec=due_ns % NS)
        msg.trajectory.points.append(point)
    msg.sequence = chunk.sequence
    msg.contract_hash = chunk.contract_digest
    msg.instruction = chunk.instruction
    msg.rate_hz = float(chunk.rate_hz)
    msg.first_step_offset = float(chunk.first_step_offset)
    msg.created = time_msg(created_ns)
    msg.latency_s = (created_ns - chunk.t_ref_ns) * 1e-9
    return msg


class TopicEncoder:
    """Builds the messages of one topic of a robot from a (dof,) vector."""

    def __init__(
        self,
        topic: CommandTopic | StateTopic,
        maps: tuple[JointMap, ...],
        drivers: Iterable[str] = (),
    ) -> None:
        self.type = message_type(topic.type, drivers)
        self._names = list(topic.names)
        self._is_stamped = topic.stamp == 'header'
        if self._is_stamped and not hasattr(self.type(), 'header'):
            raise ValueError(f'{topic.topic}: {topic.type} has no header to stamp; see its stamp')
        self._constants = {
            path: list(value) if isinstance(value, tuple) else value
            for path, value in getattr(topic, 'fill', {}).items()
        }
        self._places = [(m, _places(m, self._names)) for m in maps]
        self._lengths: dict[str, int] = {}
        for m, places in self._places:
            if places:
                spread = [place for place, _ in m.spread]
                longest = max(len(self._names), max([*places, *spread]) + 1)
                self._lengths[m.field] = max(longest, self._lengths.get(m.field, 0))

    def encode(self, positions: np.ndarray, stamp: Time) -> Any:
        """Return the message for internal positions (dof,), stamped where the type allows it."""
        msg = self.type()
        if self._is_stamped:
            msg.header.stamp = stamp
        if self._names:
            msg.name = self._names
        for path, constant in self._constants.items():
            _write_field(msg, path, constant)
        for path, values in self._wire(positions).items():
            _write_field(msg, path, values)
        return msg

    def _wire(self, positions: np.ndarray) -> dict[str, Any]:
        fields: dict[str, Any] = {name: [0.0] * n for name, n in self._lengths.items()}
        for m, places in self._places:
            number = int if m.integer else float
            wire = m.to_wire(positions)
            if not places:
                fields[m.field] = number(wire[0])
            for place, value in zip(places, wire, strict=False):
                fields[m.field][place] = number(value)
            for place, constant in m.spread:
                fields[m.field][place] = number(wire[0] if constant is None else constant)
        return fields


def command_encoders(robot: Robot) -> dict[str, TopicEncoder]:
    """
    Return an encoder for each command topic of a robot, by key.

    :raises ValueError: for a message type which is not installed, and for what is modelled but
        not commanded yet: actions, and body groups with role command.
    """
    file = robot.file
    for key, topic in file.command_topics.items():
        if '/action/' in topic.type:
            raise ValueError(
                f'{robot.path}: command_topics.{key}.type: found {topic.type}: actions are not '
                'commanded; bind a topic of the same gripper'
            )
    if moved := [name for name, group in file.body.items() if group.role == 'command']:
        raise ValueError(
            f'{robot.path}: body.{moved[0]}.role: found command: no policy here moves the body; '
            'expected hold or ignore'
        )
    return {
        key: TopicEncoder(topic, command_maps(robot, key), file.drivers)
        for key, topic in file.command_topics.items()
    }


def state_encoders(robot: Robot) -> dict[str, TopicEncoder]:
    """Return an encoder for each state topic, for a simulated robot; errors as above."""
    topics, drivers = robot.file.state_topics, robot.file.drivers
    return {k: TopicEncoder(topic, state_maps(robot, k), drivers) for k, topic in topics.items()}


def picture_msg(pixels: np.ndarray, camera: Camera, stamp: Time) -> Image | CompressedImage:
    """Return a picture (H, W, 3), RGB, as a camera of the robot file sends it; for simulation."""
    height, width, _ = pixels.shape
    if camera.transport == 'compressed':
        msg = CompressedImage(format='rgb8; jpeg compressed bgr8', data=_jpeg(pixels))
    elif camera.transport == 'raw_jpeg':
        msg = Image(height=height, width=width, encoding='jpeg', data=_jpeg(pixels))
    else:
        ordered = pixels[..., ::-1] if camera.encoding == 'bgr8' else pixels
        encoding = 'bgr8' if camera.encoding == 'bgr8' else 'rgb8'
        msg = Image(height=height, width=width, encoding=encoding, step=3 * width)
        msg.data = ordered.tobytes()
    msg.header.stamp = stamp
    return msg


def _jpeg(pixels: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', pixels[..., ::-1])[1].tobytes()


def _places(m: JointMap, names: list[str]) -> tuple[int, ...]:
    if m.names is not None:
        return tuple(names.index(name) for name in m.names)
    return m.index or ()


def _write_field(msg: Any, path: str, value: Any) -> None:
    *parents, last = path.split('.')
    for step in parents:
        name, _, position = step.rstrip(']').partition('[')
        if position:
            _lengthen(msg, name, int(position) + 1)
        msg = getattr(msg, name)
        msg = msg[int(position)] if position else msg
    setattr(msg, last, value)


def _lengthen(msg: Any, name: str, length: int) -> None:
    """Append empty messages to the sequence ``name`` up to ``length``."""
    kind = msg.get_fields_and_field_types()[name].removeprefix('sequence<').rstrip('>')
    package, _, cls = kind.partition(',')[0].partition('/')
    elements = getattr(msg, name)
    while len(elements) < length:
        elements.append(message_type(f'{package}/msg/{cls}')())
