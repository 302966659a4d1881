# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot against the table of its wire that was written by hand (tests/data/wire)."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
import yaml

from lingbot_policy.decode import StateDecoder
from lingbot_policy.nodes.encode import command_encoders, message_type, time_msg
from lingbot_policy.robot import Robot

DATA = Path(__file__).parents[1] / 'data'
STAMP_NS = 12_000_000_034


@cache
def load_table(name: str) -> dict:
    return yaml.safe_load((DATA / 'wire' / f'{name}.yaml').read_text())


@cache
def load_cameras(name: str) -> dict:
    return yaml.safe_load((DATA / 'cameras.yaml').read_text())[name]


def over_the_wire(msg: Any) -> Any:
    """Return the message as a reader gets it."""
    return deserialize_message(serialize_message(msg), type(msg))


def build(kind: str, fields: dict[str, Any]) -> Any:
    """Return a message of a type such as sensor_msgs/msg/JointState with ``fields`` set."""
    msg = message_type(kind)()
    types = msg.get_fields_and_field_types()
    for name, value in fields.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            element = types[name].removeprefix('sequence<').rstrip('>').replace('/', '/msg/')
            value = [build(element, each) for each in value]
        elif isinstance(value, list) and types[name].startswith(('sequence<double', 'double[')):
            value = [float(each) for each in value]
        setattr(msg, name, value)
    return over_the_wire(msg)


def plain(msg: Any) -> Any:
    """Return a message as dicts, lists and values."""
    if hasattr(msg, 'get_fields_and_field_types'):
        return {name: plain(getattr(msg, name)) for name in msg.get_fields_and_field_types()}
    is_value = isinstance(msg, str | bytes | bool | int | float)
    return msg if is_value else [plain(each) for each in msg]


def differences(found: Any, expected: Any, path: str = '') -> Iterator[str]:
    """Yield where two plain messages differ, numbers by more than 1e-9."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in found.keys() | expected.keys():
            yield from differences(found.get(name), expected.get(name), f'{path}.{name}')
    elif isinstance(found, list) and isinstance(expected, list) and len(found) == len(expected):
        for place, pair in enumerate(zip(found, expected, strict=True)):
            yield from differences(*pair, f'{path}[{place}]')
    elif isinstance(found, int | float) and isinstance(expected, int | float):
        if abs(found - expected) > 1e-9:
            yield f'{path}: found {found}, expected {expected}'
    elif found != expected:
        yield f'{path}: found {found}, expected {expected}'


def disagreements(robot: Robot, table: dict, cameras: dict) -> list[str]:
    """Return a line for each point in which the robot file and the tables disagree."""
    return [*_states(robot, table), *_commands(robot, table), *_cameras(robot, cameras)]


def _states(robot: Robot, table: dict) -> Iterator[str]:
    topics = {topic.topic: (key, topic.type) for key, topic in robot.file.state_topics.items()}
    told = {state['topic']: state['type'] for state in table['states']}
    yield from differences({name: kind for name, (_, kind) in topics.items()}, told, 'types')
    for state in table['states']:
        if state['topic'] not in topics:
            continue
        decoder = StateDecoder(robot, topics[state['topic']][0])
        try:
            values = decoder.decode(build(state['type'], state['msg'])).tolist()
        except ValueError as error:
            yield str(error)
            continue
        found = {robot.joints[i]: value for i, value in zip(decoder.slots, values, strict=True)}
        yield from differences(found, state['inside'], state['topic'])


def _commands(robot: Robot, table: dict) -> Iterator[str]:
    encoders = command_encoders(robot)
    topics = {key: robot.file.command_topics[key].topic for key in encoders}
    for command in table['commands']:
        inside = np.array(command['inside'], float)
        stamp = time_msg(STAMP_NS)
        found = {
            topics[key]: over_the_wire(each.encode(inside, stamp))
            for key, each in encoders.items()
        }
        told = {each['topic']: build(each['type'], each['msg']) for each in command['messages']}
        for msg in told.values():
            if hasattr(msg, 'header'):
                msg.header.stamp = stamp
        yield from differences(_typed(found), _typed(told))


def _typed(messages: dict[str, Any]) -> dict[str, dict]:
    return {topic: {'type': type(m).__name__, **plain(m)} for topic, m in messages.items()}


def _cameras(robot: Robot, cameras: dict) -> Iterator[str]:
    found = {
        name: [camera.topic, camera.type.rpartition('/')[2], camera.transport]
        for name, camera in robot.cameras.items()
    }
    yield from differences(found, cameras, 'cameras')
