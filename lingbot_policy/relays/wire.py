# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The ROS 2 side of a relay, read from the robot file and checked against what a relay can carry.

Both arms share one JointState in each direction, both grippers another; left stands before right.
The file decides on topics, names and units: joints come alone (14) or as the vendor's whole
vector, arm commands are in rad or deg, grippers keep the vendor's unit.
"""

from collections.abc import Collection
from dataclasses import dataclass
import math

import numpy as np

from lingbot_policy.robot import Robot, SIDES

ENABLE = '/relay/enable'
ENABLE_GRIPPERS = '/relay/enable_grippers'
JOINT_STATE = 'sensor_msgs/msg/JointState'
IMAGE = 'sensor_msgs/msg/CompressedImage'


@dataclass(frozen=True)
class VendorJoints:
    """How many joints the vendor's state has, and where both arms stand in it."""

    size: int
    arms: range


@dataclass(frozen=True)
class PairWire:
    """
    One JointState topic for both sides, left then right.

    ``names`` may be empty; ``taken`` is what a state takes from the vendor's vector,
    all of it where None; ``unit`` is
    the size of the wire's unit in ours (rad for joints, the vendor's for grippers); ``lower`` and
    ``upper`` are in our unit, in the order of ``parts``.
    """

    topic: str
    names: tuple[str, ...]
    parts: tuple[str, ...]
    lower: np.ndarray
    upper: np.ndarray
    rate_hz: float
    unit: float = 1.0
    taken: range | None = None


@dataclass(frozen=True)
class RelayWire:
    """What a relay carries; a pair is None where another relay carries it."""

    joint_states: PairWire | None = None
    joint_commands: PairWire | None = None
    gripper_states: PairWire | None = None
    gripper_commands: PairWire | None = None


def relay_wire(
    robot: Robot, carried: Collection[str], joints: VendorJoints, gripper_unit: str
) -> RelayWire:
    """
    Return the topics between a relay and the rest of the stack.

    :param carried: 'arms', 'grippers' or both.
    :param gripper_unit: the unit of the vendor's gripper, which the relay passes on as it is.
    :raises ValueError: where the file asks for another order, unit or message than a relay has.
    """
    pairs = {}
    if 'arms' in carried:
        pairs['joint_states'] = _joint_states(robot, joints)
        pairs['joint_commands'] = _joint_commands(robot)
    if 'grippers' in carried:
        for key, is_state in (('gripper_states', True), ('gripper_commands', False)):
            pairs[key] = _grippers(robot, key, is_state, gripper_unit)
    return RelayWire(**pairs)


def _joint_states(robot: Robot, joints: VendorJoints) -> PairWire:
    key = 'joint_states'
    arms = [robot.file.arms[side].state for side in SIDES]
    topic = _topic(robot, key, robot.file.state_topics, [arm.source for arm in arms])
    names = tuple(topic.names)
    places = [place for arm in arms for place in _places(arm, names)]
    if places == list(joints.arms) and len(names) in (0, joints.size):
        taken = None
    else:
        _expect(robot, f'{key}: index', places, list(range(14)), 'left, then right')
        _expect(robot, f'{key}: names', len(names) or 14, 14, 'one name for each value')
        taken, names = joints.arms, names or _joints(robot)
    _check(robot, key, arms, ('rad',))
    return PairWire(
        robot.topic(topic.topic), names, _joints(robot), *_limits(robot), topic.rate_hz, 1.0, taken
    )


def _joint_commands(robot: Robot) -> PairWire:
    key = 'joint_commands'
    arms = [robot.file.arms[side].command for side in SIDES]
    topic = _topic(robot, key, robot.file.command_topics, [arm.target for arm in arms])
    names = tuple(topic.names)
    places = [place for arm in arms for place in arm.index]
    _expect(robot, f'{key}: index', places, list(range(14)), 'left, then right')
    _expect(robot, f'{key}: names', len(names) or 14, 14, 'one name for each value')
    _check(robot, key, arms, ('rad', 'deg'))
    _expect(robot, f'{key}: unit', arms[1].unit, arms[0].unit, 'one unit in one message')
    return PairWire(
        robot.topic(topic.topic),
        names,
        _joints(robot),
        *_limits(robot),
        robot.file.command_rate_hz,
        math.radians(1.0) if arms[0].unit == 'deg' else 1.0,
    )


def _grippers(robot: Robot, key: str, is_state: bool, unit: str) -> PairWire:
    grippers = [robot.file.grippers[side] for side in SIDES]
    ends = [gripper.state if is_state else gripper.command for gripper in grippers]
    topics = robot.file.state_topics if is_state else robot.file.command_topics
    found = [end.source if is_state else end.target for end in ends]
    topic = _topic(robot, key, topics, found)
    names = tuple(topic.names)
    places = [place for end in ends for place in _places(end, names)]
    _expect(robot, f'{key}: index', places, [0, 1], 'left, then right')
    _expect(robot, f'{key}: names', len(names) or 2, 2, 'one name for each value')
    _check(robot, key, ends, (unit,))
    scale = np.array([[end.closed, end.open] for end in ends], dtype=float)
    if is_state:
        rate_hz = topic.rate_hz
    else:
        rate_hz = robot.file.command_rate_hz / robot.ticks_between(found[0])
    joints = tuple(gripper.joint for gripper in grippers)
    lower, upper = scale.min(axis=1), scale.max(axis=1)
    return PairWire(robot.topic(topic.topic), names, joints, lower, upper, rate_hz)


def _joints(robot: Robot) -> tuple[str, ...]:
    return tuple(name for side in SIDES for name in robot.file.arms[side].joints)


def _limits(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    arms = [robot.file.arms[side] for side in SIDES]
    return tuple(
        np.array([limit for arm in arms for limit in getattr(arm, end)], dtype=float)
        for end in ('lower', 'upper')
    )


def _topic(robot: Robot, key: str, topics, found: list[str]):
    _expect(robot, f'{key}: topic', found, [found[0]] * 2, 'one topic for both sides')
    topic = topics[found[0]]
    _expect(robot, f'{key}: type', topic.type, JOINT_STATE, 'the type the relay speaks')
    return topic


def _places(part, names: tuple[str, ...]) -> list[int]:
    """Return where a part of the file reads or writes in the message, by index or by name."""
    one = getattr(part, 'name', None)
    by_name = getattr(part, 'names', None) or (() if one is None else (one,))
    if by_name:
        return [names.index(name) if name in names else -1 for name in by_name]
    return [part.index] if isinstance(part.index, int) else list(part.index)


def _check(robot: Robot, key: str, parts, units: tuple[str, ...]) -> None:
    for part in parts:
        _expect(robot, f'{key}: field', part.field, 'position', 'the field the relay fills')
        if part.unit not in units:
            raise ValueError(
                f'{robot.path}: {key}: unit: found {part.unit}, expected {" or ".join(units)}'
            )


def _expect(robot: Robot, what: str, found, expected, why: str) -> None:
    if found != expected:
        raise ValueError(f'{robot.path}: {what}: found {found}, expected {expected}: {why}')
