# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The first motion of a robot: what to command to one joint, and what the answer of all joints says.

A joint turns by a few degrees and comes back. Measured against commanded tells a wrong unit,
order, side, sign or polarity by itself, unless state and command are wrong alike: for that an
operator says what moved.
"""

from dataclasses import dataclass
import math

import numpy as np

from lingbot_policy.robot import Robot, SIDES

NOTICED = 0.25  # share of a jog from which a joint counts as having moved
FOLLOWED = (0.5, 1.5)  # share of the commanded way which counts as having followed
PER_DEGREE = math.degrees(1.0)


@dataclass(frozen=True)
class JogSize:
    """
    How far (rad, share of a gripper's stroke), at which share of the speed limit.

    ``settle_s`` is waited before a position is measured. A joint may stand off its command by
    ``margin_rad`` or ``margin_stroke``; more is no motion that was asked for.
    """

    rad: float = math.radians(3.0)
    stroke: float = 0.1
    speed_share: float = 0.02
    settle_s: float = 0.7
    margin_rad: float = math.radians(2.0)
    margin_stroke: float = 0.06


@dataclass(frozen=True)
class Jog:
    """
    One joint out by ``travel`` (rad or strokes, signed) at ``speed``, a pause, and back.

    ``start`` (dof,) are the commands of all joints before and after it.
    """

    index: int
    joint: str
    start: np.ndarray
    travel: float
    speed: float
    settle_s: float

    @property
    def out_s(self) -> float:
        """When the joint has to be out, measured and not yet on its way back."""
        return abs(self.travel) / self.speed + self.settle_s

    @property
    def duration_s(self) -> float:
        return 2 * self.out_s

    def way(self, elapsed_s: float) -> float:
        """Return how far from its start the joint is commanded."""
        ramp_s = abs(self.travel) / self.speed
        back_s = max(0.0, elapsed_s - self.out_s)
        share = min(elapsed_s, ramp_s) / ramp_s - min(back_s, ramp_s) / ramp_s
        return self.travel * max(0.0, share)

    def command(self, elapsed_s: float) -> np.ndarray:
        """Return the command of all joints, shape (dof,)."""
        command = self.start.copy()
        command[self.index] += self.way(elapsed_s)
        return command


@dataclass(frozen=True)
class Sighting:
    """What an operator saw: which joint, '' for none, in its positive direction or not."""

    joint: str
    positive: bool = True


def plan_jog(robot: Robot, joint: str, start: np.ndarray, size: JogSize) -> Jog:
    """
    Return the jog of a joint from ``start`` (dof,), away from its nearer limit.

    :raises ValueError: for an unknown joint, or where its limits leave no room.
    """
    if joint not in robot.joints:
        raise ValueError(f'--joint: found {joint!r}, expected one of {", ".join(robot.joints)}')
    index = robot.joints.index(joint)
    way = size.stroke if robot.is_gripper[index] else size.rad
    low, high = robot.lower[index], robot.upper[index]
    travel = way if start[index] - low < high - start[index] else -way
    if not low <= start[index] + travel <= high:
        raise ValueError(
            f'{joint}: limits {low:.3f} .. {high:.3f} leave no room for {way:.3f}; '
            'check them in the robot file'
        )
    speed = size.speed_share * robot.max_velocity[index]
    return Jog(index, joint, start.copy(), travel, speed, size.settle_s)


def description(robot: Robot, jog: Jog) -> str:
    """Return what is going to move, as an operator sees it."""
    side = SIDES[jog.index > robot.slots('left')[1]]
    if robot.is_gripper[jog.index]:
        verb = 'opens' if jog.travel > 0 else 'closes'
        return f'the {side} gripper ({jog.joint}) {verb} by {abs(jog.travel):.0%} of its stroke'
    number = jog.index - robot.slots(side)[0].start + 1
    sign = 'positive' if jog.travel > 0 else 'negative'
    return (
        f'joint {number} of the {side} arm ({jog.joint}) turns by '
        f'{math.degrees(jog.travel):+.1f} degrees, {sign} about its axis'
    )


def unexpected(
    robot: Robot, size: JogSize, rest: np.ndarray, jog: Jog | None, measured: np.ndarray
) -> bool:
    """
    Whether a joint is where neither its rest nor the jog put it.

    :param rest: where the joints were measured before, (dof,).
    :param jog: what is going on, or None while the arms are only held.
    """
    low, high = rest.copy(), rest.copy()
    if jog is not None:
        reached = rest[jog.index] + jog.travel
        low[jog.index] = min(low[jog.index], reached)
        high[jog.index] = max(high[jog.index], reached)
    margin = np.where(robot.is_gripper, size.margin_stroke, size.margin_rad)
    return bool(((measured < low - margin) | (measured > high + margin)).any())


def diagnose(
    robot: Robot, size: JogSize, jog: Jog | None, moved: np.ndarray, commanded: float
) -> str:
    """
    Return what is wrong with how the joints answered, '' for nothing.

    :param moved: displacement of every joint, (dof,).
    :param commanded: displacement which was commanded to the jogged joint by then.
    """
    sizes = np.where(robot.is_gripper, size.stroke, size.rad)
    moving = [int(i) for i in np.flatnonzero(np.abs(moved) > NOTICED * sizes)]
    found = ', '.join(_moved(robot, i, moved[i]) for i in moving)
    if jog is None:
        return f'moved while the arms were to stand still: {found}. {_HELD}' if moving else ''
    asked = f'asked {_moved(robot, jog.index, commanded)}'
    if not moving:
        return f'{asked}, nothing moved by more than a quarter of it. {_still(moved, jog)}'
    others = [i for i in moving if i != jog.index]
    if others:
        return f'{asked}, moved: {found}. {_wrong_joint(robot, jog, others)}'
    share = moved[jog.index] / commanded if commanded else math.inf
    if share < 0:
        what = 'polarity: open and closed' if robot.is_gripper[jog.index] else 'sign'
        return f'{asked}, moved the other way: {found}. {what} of state or command is reversed'
    if not FOLLOWED[0] <= share <= FOLLOWED[1]:
        return f'{asked}, moved: {found}. {_unit(robot, jog)}'
    return ''


def judge(robot: Robot, jog: Jog, seen: Sighting) -> str:
    """
    Return what an operator's words say is wrong, '' for nothing.

    What was measured agrees with what was commanded, so that state and command are wrong alike.
    """
    if not seen.joint:
        return (
            f'nothing was seen to move, and {jog.joint} was measured to: the state does not come '
            'from this robot (a simulation, another arm, a controller that echoes commands)'
        )
    if seen.joint not in robot.joints:
        raise ValueError(f'found {seen.joint!r}, expected one of {", ".join(robot.joints)}')
    other = robot.joints.index(seen.joint)
    if other != jog.index:
        kind = 'sides' if _side(robot, other) != _side(robot, jog.index) else 'order'
        return (
            f'{seen.joint} was seen to move for {jog.joint}: {kind} are exchanged in state and '
            'command alike; see topics, index and names of both in the robot file'
        )
    if seen.positive != (jog.travel > 0):
        ends = 'open and closed' if robot.is_gripper[jog.index] else 'positive and negative'
        return f'{jog.joint}: {ends} are exchanged in state and command alike'
    return ''


_HELD = (
    'The commands to hold led elsewhere: unit, order or side of the command bindings is not that '
    'of the state'
)


def _still(moved: np.ndarray, jog: Jog) -> str:
    ratio = abs(jog.travel / moved[jog.index]) if moved[jog.index] else 0.0
    if 0.7 * PER_DEGREE < ratio < 1.4 * PER_DEGREE:
        return 'A 57th of it: the wire is in degrees where the robot file says rad, or reversed'
    return (
        'The controller is not enabled or takes commands elsewhere; or the unit of the command '
        'is far too large (degrees for radians)'
    )


def _wrong_joint(robot: Robot, jog: Jog, others: list[int]) -> str:
    if all(_side(robot, i) != _side(robot, jog.index) for i in others):
        return 'left and right are exchanged in the topics or indices of state or command'
    return 'The order of the joints differs between state and command: see index and names'


def _unit(robot: Robot, jog: Jog) -> str:
    if robot.is_gripper[jog.index]:
        return 'Unit or ends (closed, open) of its state and command differ'
    return 'Units of state and command differ: degrees and radians, or a gear ratio'


def _side(robot: Robot, index: int) -> str:
    return SIDES[index > robot.slots('left')[1]]


def _moved(robot: Robot, index: int, way: float) -> str:
    if robot.is_gripper[index]:
        return f'{robot.joints[index]} {way:+.1%} of its stroke'
    return f'{robot.joints[index]} {math.degrees(way):+.2f} degrees'
