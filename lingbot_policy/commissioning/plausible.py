# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Whether measured joints can be true: a wrong unit, a dead driver, the same arm twice."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lingbot_policy.commissioning.live_facts import TopicFacts
from lingbot_policy.robot import Robot, SIDES

TURN = 2 * np.pi
WHOLE = 1e-9
FEW = 3  # values which are whole numbers by chance


class Doubt(NamedTuple):
    """Something about measured values: is it sure to be wrong, what, and what to do."""

    is_wrong: bool
    aspect: str
    found: str
    remedy: str


def doubts(robot: Robot, facts: TopicFacts, may_be_zero: bool = False) -> Iterator[Doubt]:
    """
    Yield what is doubtful about the joints of one state topic.

    :param may_be_zero: an arm may rest at exactly 0 in every joint, as a simulated one can.
    """
    slots, last = facts.slots, facts.values[-1]
    suspected = False
    for side in SIDES:
        arm = np.flatnonzero(np.isin(slots, np.arange(robot.dof)[robot.slots(side)[0]]))
        if may_be_zero and not last[arm].any():
            continue
        if arm.size and (doubt := _of_arm(robot, side, last[arm])):
            suspected = suspected or doubt.aspect == 'unit'
            yield doubt
    if not suspected:
        yield from _outside(robot, slots, last)
    if len(facts.values) > 1 and not np.ptp(facts.values, axis=0).any() and last.any():
        yield Doubt(
            False,
            'constant',
            f'not one of {len(slots)} joints changed in {len(facts.values)} readings',
            'a driver may repeat its last values: move an arm by hand while doctor listens',
        )


def twins(robot: Robot, states: dict[str, TopicFacts]) -> Doubt | None:
    """Return a doubt where the left arm reads exactly what the right arm reads."""
    positions = np.full(robot.dof, np.nan)
    for facts in states.values():
        if len(facts.values):
            positions[facts.slots] = facts.values[-1]
    left, right = (positions[robot.slots(side)[0]] for side in SIDES)
    if len(left) != len(right) or not left.any() or not np.array_equal(left, right):
        return None
    return Doubt(
        True,
        'left and right',
        f'both arms read exactly {np.round(left, 4).tolist()}',
        'both sides may be bound to one arm: see state_topics and the index or names of each side',
    )


def _of_arm(robot: Robot, side: str, values: np.ndarray) -> Doubt | None:
    unit = robot.file.arms[side].state.unit
    if not values.any():
        return Doubt(
            True,
            'all zero',
            f'every joint of the {side} arm reads exactly 0',
            'the driver may publish without hearing its arm (power, CAN); or move the arm out of '
            'its zero and look again',
        )
    whole = values[np.abs(values) > WHOLE]
    whole_numbers = len(whole) >= FEW and np.all(np.abs(whole - np.rint(whole)) < WHOLE)
    if unit == 'rad' and (np.abs(values).max() > TURN or whole_numbers):
        return Doubt(
            True,
            'unit',
            f'the {side} arm reads {np.round(values, 3).tolist()} rad: degrees are suspected',
            f'arms.{side}.state.unit: deg, if the driver sends degrees (and command.unit alike)',
        )
    if unit == 'deg' and np.abs(np.rad2deg(values)).max() < np.pi:
        return Doubt(
            False,
            'unit',
            f'the {side} arm reads less than 3.2 degrees in every joint: radians are suspected',
            'turn a joint by hand by 90 degrees and look again',
        )
    return None


def _outside(robot: Robot, slots: np.ndarray, last: np.ndarray) -> Iterator[Doubt]:
    low = (robot.lower - robot.state_tolerance)[slots]
    high = (robot.upper + robot.state_tolerance)[slots]
    wrong = np.flatnonzero((last < low) | (last > high))
    if wrong.size:
        found = ', '.join(
            f'{robot.joints[slots[i]]} at {last[i]:.3f}, limits {robot.lower[slots[i]]:.3f} .. '
            f'{robot.upper[slots[i]]:.3f}'
            for i in wrong
        )
        yield Doubt(
            True,
            'limits',
            found,
            'move the joints inside by hand; or the order, unit or gripper ends in the file are '
            "not the robot's",
        )
