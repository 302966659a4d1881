# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What is wrong with a robot file, in words: field, found, expected.

References between parts of a file are checked here, on the mapping as it was read, so that they
are told together with faults of single fields, after which pydantic checks nothing further.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

# Parts of a pydantic location which name a type that was tried, and no field.
_TRIED_TYPES = ('bool', 'int', 'float', 'str', 'tuple[float, ...]', '[key]')
_SIDES = ('left', 'right')
OURS = 'jazzy'


def field_faults(faults: list[dict]) -> list[str]:
    """Return a line for each faulty field that pydantic found."""
    by_field: dict[tuple, list[dict]] = defaultdict(list)
    for fault in faults:
        by_field[tuple(p for p in fault['loc'] if p not in _TRIED_TYPES)].append(fault)
    inner = {field[:end] for field in by_field for end in range(1, len(field))}
    return [
        _line('.'.join(map(str, field)) or '(file)', tried)
        for field, tried in by_field.items()
        if field not in inner or len(tried) == 1
    ]


def reference_faults(raw: dict) -> list[str]:
    """Return a line for each name in the file that leads nowhere, and for what is bound twice."""
    return [
        *_absent(raw),
        *_lost(raw),
        *_joints_twice(raw),
        *_bound_twice(raw),
        *_slowed(raw),
        *_unchecked(raw),
    ]


def _line(field: str, tried: list[dict]) -> str:
    fault = tried[0]
    found = '' if isinstance(fault['input'], dict) else f': found {fault["input"]!r}'
    if fault['type'] == 'value_error':
        return f'{field}: {fault["msg"].removeprefix("Value error, ")}'
    if fault['type'] == 'extra_forbidden':
        return f'{field}{found}, expected no such field; see robot_schema.py'
    if fault['type'] == 'missing':
        return f'{field}: found nothing, expected a value'
    wanted = ' or '.join(each['msg'].removeprefix('Input should be ') for each in tried)
    return f'{field}{found}, expected {wanted}'


def _absent(raw: dict) -> Iterator[str]:
    for group, names in (('arms', _SIDES), ('grippers', _SIDES), ('cameras', ('head',))):
        for name in names:
            if group in raw and name not in _at(raw, group):
                yield f'{group}.{name}: found nothing, expected a value'


def _lost(raw: dict) -> Iterator[str]:
    for path, binding, topic in _bindings(raw):
        kind, key = ('source', 'state_topics') if 'source' in binding else ('target', topic)
        name = binding.get(kind)
        if str(name) not in map(str, _at(raw, key)):
            known = ', '.join(map(str, _at(raw, key)))
            yield f'{path}.{kind}: found {name!r}, expected a key of {key}: {known}'
            continue
        sent = _at(raw, key, str(name)).get('names')
        wanted = _list(binding.get('names')) or _some(binding.get('name'))
        if lost := [each for each in wanted if each not in _list(sent)]:
            yield f'{path}: found names {lost}, expected some of {key}.{name}.names: {sent}'


def _joints_twice(raw: dict) -> Iterator[str]:
    joints = [j for side in _SIDES for j in _list(_at(raw, 'arms', side).get('joints'))]
    joints += [_at(raw, 'grippers', side).get('joint') for side in _SIDES]
    for name in sorted({j for j in joints if isinstance(j, str) and joints.count(j) > 1}):
        yield f'joints: found {name!r} twice, expected a name for each joint and gripper'


def _bound_twice(raw: dict) -> Iterator[str]:
    """Two joints in one place of the wire: a line copied from the other arm."""
    bound: dict[tuple, str] = {}
    for path, binding, topic in _bindings(raw):
        for place in _places(binding):
            key = (topic, str(binding.get('source', binding.get('target'))), *place)
            if key in bound and bound[key] != path:
                yield (
                    f'{path}: found {place[0]}[{place[1]}] of {topic}.{key[1]}, which is '
                    f'{bound[key]}, expected a place of its own'
                )
                break
            bound[key] = path


def _slowed(raw: dict) -> Iterator[str]:
    """A topic of an arm at another rate: its steps would be larger than any limit says."""
    topics = _at(raw, 'command_topics')
    for side in _SIDES:
        key = str(_at(raw, 'arms', side, 'command').get('target'))
        slower = _at(topics, key).get('max_rate_hz')
        if slower is not None:
            yield (
                f'command_topics.{key}.max_rate_hz: found {slower!r} on the topic of the {side} '
                'arm, expected it on topics of grippers alone; arms follow command_rate_hz'
            )


def _unchecked(raw: dict) -> Iterator[str]:
    """A native link to an older ROS holds for checked packages only, which a file cannot know."""
    distro = raw.get('ros_distro')
    if raw.get('link') == 'native' and distro != OURS and 'link' not in _list(raw.get('assumed')):
        yield (
            f'link: found native for ROS 2 {distro}, expected zenoh; or link in assumed, so that '
            'an operator answers for the check of docs/links.md'
        )


def _places(binding: dict) -> list[tuple[str, Any]]:
    is_arm = 'names' in binding or isinstance(binding.get('index'), list)
    if is_arm:
        places = _list(binding.get('names')) or _list(binding.get('index'))
    else:
        places = _some(binding.get('name')) or [binding.get('index', 0)]
    field = str(binding.get('field', 'position'))
    return [(field, place) for place in places if isinstance(place, str | int | None)]


def _bindings(raw: dict) -> Iterator[tuple[str, dict, str]]:
    for group in ('arms', 'grippers'):
        for part in _at(raw, group):
            for way, topic in (('state', 'state_topics'), ('command', 'command_topics')):
                if binding := _at(raw, group, part, way):
                    yield f'{group}.{part}.{way}', binding, topic


def _at(raw: Any, *keys: Any) -> dict:
    """Return the mapping at ``keys``, empty where there is none."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw if isinstance(raw, dict) else {}


def _list(value: Any) -> list:
    return value if isinstance(value, list) else []


def _some(value: Any) -> list:
    return [] if value is None else [value]
