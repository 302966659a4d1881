# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Joints on the wire: which elements of which field hold them, and in which unit.

A :class:`JointMap` goes both ways. State maps read what the robot says, command maps write what
it is told; the simulated robot uses the same maps from the other side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import re
from typing import Any

import numpy as np

from lingbot_policy.robot import Robot, SIDES
from lingbot_policy.robot_schema import GripperReading, GripperWriting, JointReading, JointWriting

_PER_RAD = {'rad': 1.0, 'deg': 180.0 / np.pi}
_STEP = re.compile(r'(\w+)(?:\[(\d+)\])?')


@dataclass(frozen=True)
class JointMap:
    """
    Some joints in one field: wire = ``scale`` * internal + ``offset``.

    ``slots`` are their places in a (dof,) vector. ``index`` and ``names`` are their places on the
    wire; where both are None the field is a single number. ``spread`` are further places which
    are written along with the first: a number that never changes, or None for a copy.
    """

    slots: np.ndarray
    field: str
    index: tuple[int, ...] | None
    names: tuple[str, ...] | None
    scale: float
    offset: float
    integer: bool = False
    bounds: tuple[float, float] = (-np.inf, np.inf)
    spread: tuple[tuple[int, float | None], ...] = ()

    def read(self, msg: Any, where: str) -> np.ndarray:
        """
        Return the joints' internal values from a message, shape (len(slots),).

        :raises ValueError: if an element is absent or not finite.
        """
        return (self.read_wire(msg, where) - self.offset) / self.scale

    def read_wire(self, msg: Any, where: str) -> np.ndarray:
        """Return the values as they stand on the wire; shape and errors as :meth:`read`."""
        wire = read_field(msg, self.field, where)
        if np.ndim(wire) == (self.index is None and self.names is None):
            form = 'one number' if np.ndim(wire) == 0 else f'{len(wire)} values'
            raise ValueError(f'{where}: {self.field} holds {form}; see index in the robot file')
        if self.names is not None:
            wire = _pick_names(wire, list(msg.name), self.names, where)
        elif self.index is not None:
            wire = _pick_index(wire, self.index, self.field, where)
        values = np.atleast_1d(np.asarray(wire, dtype=np.float64))
        if not np.isfinite(values).all():
            raise ValueError(f'{where}: {self.field} holds {values.tolist()}, expected numbers')
        return values

    def to_wire(self, positions: np.ndarray) -> np.ndarray:
        """Return the wire values for a (dof,) vector, rounded and clamped for integer wires."""
        wire = positions[self.slots] * self.scale + self.offset
        if self.integer:
            wire = np.rint(wire)
        return np.clip(wire, *self.bounds)


def state_maps(robot: Robot, key: str) -> tuple[JointMap, ...]:
    """Return the maps of every joint that state topic ``key`` carries."""
    file, maps = robot.file, []
    for side in SIDES:
        arm, gripper = robot.slots(side)
        if file.arms[side].state.source == key:
            maps.append(_arm_map(file.arms[side].state, arm))
        if file.grippers[side].state.source == key:
            maps.append(_gripper_map(file.grippers[side].state, gripper))
    return tuple(maps)


def command_maps(robot: Robot, key: str) -> tuple[JointMap, ...]:
    """Return the maps of every joint that command topic ``key`` carries."""
    file, maps = robot.file, []
    for side in SIDES:
        arm, gripper = robot.slots(side)
        if file.arms[side].command.target == key:
            maps.append(_arm_map(file.arms[side].command, arm))
        if file.grippers[side].command.target == key:
            maps.append(_gripper_map(file.grippers[side].command, gripper))
    return tuple(maps)


def read_field(msg: Any, path: str, where: str) -> Any:
    """
    Return what stands at a dotted path like ``end_state[0].position``.

    :raises ValueError: naming the part of the path which the message lacks.
    """
    for name, position in _STEP.findall(path):
        if not hasattr(msg, name):
            raise ValueError(f'{where}: {type(msg).__name__} has no field {name!r} of {path!r}')
        msg = getattr(msg, name)
        if position:
            if int(position) >= len(msg):
                raise ValueError(f'{where}: {path} needs {name}[{position}], found {len(msg)}')
            msg = msg[int(position)]
    return msg


def _arm_map(binding: JointReading | JointWriting, slots: slice) -> JointMap:
    return JointMap(
        slots=np.arange(slots.start, slots.stop),
        field=binding.field,
        index=binding.index,
        names=getattr(binding, 'names', None),
        scale=_PER_RAD[binding.unit],
        offset=0.0,
    )


def _gripper_map(binding: GripperReading | GripperWriting, slot: int) -> JointMap:
    name = getattr(binding, 'name', None)
    low, high = getattr(binding, 'minimum', None), getattr(binding, 'maximum', None)
    hand = getattr(binding, 'one_dof_expansion', ())
    index = None if binding.index is None or name else binding.index
    moving = index + hand.index('g') if hand else index
    return JointMap(
        slots=np.array([slot]),
        field=binding.field,
        index=None if moving is None else (moving,),
        names=(name,) if name else None,
        scale=binding.open - binding.closed,
        offset=binding.closed,
        integer=binding.integer,
        bounds=(-np.inf if low is None else low, np.inf if high is None else high),
        spread=tuple(
            (place, None if part == 'g' else part)
            for place, part in enumerate(hand, start=binding.index or 0)
            if place != moving
        ),
    )


def _pick_index(wire: Sequence, index: tuple[int, ...], field: str, where: str) -> list:
    if len(wire) <= max(index):
        raise ValueError(
            f'{where}: {field} has {len(wire)} values, expected at least {max(index) + 1}'
        )
    return [wire[i] for i in index]


def _pick_names(wire: Sequence, found: list[str], names: tuple[str, ...], where: str) -> list:
    missing = [name for name in names if name not in found]
    if missing or len(wire) < len(found):
        raise ValueError(
            f'{where}: JointState lacks {missing or "positions"}; found names {found} with '
            f'{len(wire)} positions. See the state names in the robot file.'
        )
    return [wire[found.index(name)] for name in names]
