# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A row of the fault matrix: a fault, the reaction it must have, and what was seen of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from lingbot_policy.robot import load_robot, Robot
from tests.faults.rig import Rig

STILL = 1e-9
# What follows of itself: the policy goes on to send, and a message that cannot be read goes stale.
SIDE_EFFECTS = ('unreadable', 'reject disarmed', 'reject stopped')
GOES_ON = 'goes on'
NO_MOTION = 'no motion'


@dataclass(frozen=True)
class Outcome:
    """
    What followed a fault, on one robot.

    ``seen`` names the reactions in order, ``reaction_ms`` is the time to the first, NaN where none
    was due. ``commands`` counts those after the fault which moved a joint, ``displacement`` is how
    far one moved (rad, grippers in strokes), ``outside`` counts commands outside a limit.
    """

    seen: str
    reaction_ms: float
    commands: int
    displacement: float
    outside: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """
    One fault.

    :param expected: the reactions in order, or ``goes on``, or ``no motion``.
    :param reason: words which the reasons have to contain.
    :param run: does it to a robot given by its name, and says what was seen.
    :param needs: says why a robot cannot have this fault, or returns ''.
    """

    name: str
    fault: str
    expected: str
    reason: str
    run: Callable[[str], Outcome]
    needs: Callable[[Robot], str] = lambda robot: ''

    def problems(self, outcome: Outcome) -> list[str]:
        """Return a line for each point in which an outcome is not as it has to be."""
        found = list(outcome.problems)
        if outcome.seen != self.expected:
            found.insert(0, f'seen {outcome.seen!r}, expected {self.expected!r}')
        if any(outcome.outside.values()):
            found.append(f'outside limits: {dict(outcome.outside)}')
        return found


DATA_ROWS: list[Row] = []
PROCESS_ROWS: list[Row] = []
robot_of = cache(load_robot)


def data_row(
    expected: str,
    fault: str,
    reason: str = '',
    *,
    moving: bool = True,
    needs: Callable[[Robot], str] = lambda robot: '',
) -> Callable:
    """
    Register a function, which does a fault to a :class:`Rig`, as a row of its own name.

    :param moving: it begins in motion, else with an executor that has just started.
    """

    def register(act: Callable[[Rig], None]) -> Callable[[Rig], None]:
        def run(name: str) -> Outcome:
            start = _moving(name) if moving else _started(name)
            return _judge(start, act, expected, reason)

        row = Row(act.__name__.replace('_', ' '), fault, expected, reason, run, needs)
        DATA_ROWS.append(row)
        return act

    return register


@cache
def _started(name: str) -> Rig:
    return Rig(robot_of(name))


@cache
def _moving(name: str) -> Rig:
    rig = Rig(robot_of(name))
    rig.move()
    assert rig.witness.outside == {}, rig.witness.outside
    return rig


def _judge(start: Rig, act: Callable[[Rig], None], expected: str, reason: str) -> Outcome:
    rig = start.copy()
    act(rig)
    assert rig.fault_ns is not None, 'the fault never came'
    after = [
        happening
        for happening in rig.happenings[rig.first_happening :]
        if happening.reaction in expected or happening.reaction not in SIDE_EFFECTS
    ]
    reactions = list(dict.fromkeys(h.reaction for h in after))
    path = np.array([s.positions for s in rig.sent[max(0, rig.first_sent - 1) :]])
    moves = np.abs(np.diff(path, axis=0)).max(axis=1) > STILL if len(path) > 1 else np.zeros(1)
    seen = ', '.join(reactions) or (GOES_ON if moves.any() else NO_MOTION)
    problems = []
    if reason and not any(reason in h.reason for h in rig.happenings[rig.first_happening :]):
        said = sorted({h.reason for h in after})
        problems.append(f'no reason says {reason!r}: {said}')
    if expected.startswith('reject') and ',' not in expected:
        problems += _traces(rig, start, act)
    ends_still = {'hold', 'stop', 'disarm', NO_MOTION} & set(expected.split(', '))
    if (
        ends_still
        and 'resume' not in expected
        and rig.sent
        and rig.sent[-1].now_ns == rig.now_ns
        and moves[-2:].any()
    ):
        problems.append('joints are still commanded to move')
    reacts = [happening for happening in after if happening.reaction != 'no chunk'] or after
    return Outcome(
        seen,
        (reacts[0].now_ns - rig.fault_ns) * 1e-6 if reacts else np.nan,
        int(moves.sum()),
        float(np.abs(path - path[0]).max()) if len(path) else 0.0,
        rig.witness.outside,
        tuple(problems),
    )


def _traces(rig: Rig, start: Rig, act: Callable[[Rig], None]) -> list[str]:
    """A rejected chunk must leave no trace: compare with a run in which it never came."""
    twin = start.copy()
    twin.delivers_spoiled = False
    act(twin)
    ours = np.array([sent.positions for sent in rig.sent])
    theirs = np.array([sent.positions for sent in twin.sent])
    if ours.shape == theirs.shape and (ours == theirs).all():
        return []
    return ['the rejected chunk has changed the commands']
