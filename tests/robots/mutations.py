# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The mistakes people make in a robot file, each as a function which makes it.

A mutation changes the mapping of a file in place; it returns False where the robot has nothing of
the kind, or where the change would change nothing.
"""

from collections.abc import Callable
from functools import partial

Raw = dict
WAYS = {'state': 'source', 'command': 'target'}


def mutations() -> dict[str, Callable[[Raw], bool]]:
    """Return every mutation by its name, as docs/robots.md lists them."""
    found: dict[str, Callable[[Raw], bool]] = {
        'swap left and right command topics': partial(_swap_topics, 'command_topics'),
        'swap left and right state topics': partial(_swap_topics, 'state_topics'),
        'swap wrist cameras': _swap_wrists,
        'forget the constants of a command': _forget_constants,
    }
    for way in WAYS:
        found |= {
            f'swap left and right arm ({way})': partial(_swap_sides, 'arms', way),
            f'swap left and right gripper ({way})': partial(_swap_sides, 'grippers', way),
            f'degrees for radians ({way})': partial(_change_unit, way),
            f'joint order reversed ({way})': partial(_reverse_joints, way),
            f'two joints swapped ({way})': partial(_swap_joints, way),
            f'indices off by one ({way})': partial(_shift_joints, way),
            f'gripper index off by one ({way})': partial(_shift_gripper, way),
            f'gripper reversed ({way})': partial(_reverse_gripper, way),
            f'gripper scale times 1000 ({way})': partial(_scale_gripper, way),
            f'gripper sign ({way})': partial(_negate_gripper, way),
        }
    return found


def _swap_sides(group: str, way: str, raw: Raw) -> bool:
    left, right = raw[group]['left'], raw[group]['right']
    left[way], right[way] = right[way], left[way]
    return True


def _swap_topics(group: str, raw: Raw) -> bool:
    pairs = [key for key in raw[group] if key.startswith('left')]
    for key in pairs:
        left, right = raw[group][key], raw[group][key.replace('left', 'right')]
        left['topic'], right['topic'] = right['topic'], left['topic']
    return bool(pairs)


def _swap_wrists(raw: Raw) -> bool:
    cameras = raw['cameras']
    left, right = cameras['left_wrist'], cameras['right_wrist']
    cameras['left_wrist'], cameras['right_wrist'] = right, left
    return True


def _forget_constants(raw: Raw) -> bool:
    forgotten = [topic.pop('fill', None) for topic in raw['command_topics'].values()]
    return any(forgotten)


def _change_unit(way: str, raw: Raw) -> bool:
    for arm in raw['arms'].values():
        arm[way]['unit'] = 'rad' if arm[way].get('unit') == 'deg' else 'deg'
    return True


def _places(binding: dict) -> str:
    return 'names' if 'names' in binding else 'index'


def _reverse_joints(way: str, raw: Raw) -> bool:
    for arm in raw['arms'].values():
        arm[way][_places(arm[way])].reverse()
    return True


def _swap_joints(way: str, raw: Raw) -> bool:
    binding = raw['arms']['right'][way]
    places = binding[_places(binding)]
    places[-1], places[-2] = places[-2], places[-1]
    return True


def _shift_joints(way: str, raw: Raw) -> bool:
    binding = raw['arms']['right'][way]
    if 'names' in binding:
        return False
    binding['index'] = [place + 1 for place in binding['index']]
    return True


def _shift_gripper(way: str, raw: Raw) -> bool:
    binding = raw['grippers']['right'][way]
    if binding.get('index') is None:
        return False
    binding['index'] += 1
    return True


def _reverse_gripper(way: str, raw: Raw) -> bool:
    for gripper in raw['grippers'].values():
        ends = gripper[way]
        ends['closed'], ends['open'] = ends['open'], ends['closed']
    return True


def _scale_gripper(way: str, raw: Raw) -> bool:
    return _multiply_gripper(1000.0, way, raw)


def _negate_gripper(way: str, raw: Raw) -> bool:
    return _multiply_gripper(-1.0, way, raw)


def _multiply_gripper(factor: float, way: str, raw: Raw) -> bool:
    for gripper in raw['grippers'].values():
        ends = gripper[way]
        ends['closed'], ends['open'] = factor * ends['closed'], factor * ends['open']
    return True
