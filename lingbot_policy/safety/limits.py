# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How far the next command may be: position, velocity, acceleration and step limits of every joint.

All lengths are steps of one tick (rad, grippers strokes) and a tick is nominal: a late one earns
nothing. A step is never so large that braking from it would leave the limits.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.robot import Robot

# A plan which is caught up with may itself brake with the other half of the acceleration. With all
# of it, leaps onto a sway at 30 % of the limits were overshot by up to 0.02 rad.
CATCH_UP_SHARE = 0.5
NEGLIGIBLE = 1e-11  # rad in one tick; smaller steps are rounding


@dataclass(frozen=True)
class Move:
    """The next command ``positions`` (dof,), the step to it, and the target it was made from."""

    positions: np.ndarray
    step: np.ndarray
    target: np.ndarray


@dataclass(frozen=True)
class Offence:
    """The worst limit a target broke: position, step, velocity or acceleration."""

    word: str
    index: int
    value: float
    limit: float


class CommandedMotion:
    """The last command and its step, and what limits the next one."""

    def __init__(self, robot: Robot) -> None:
        self.rate_hz = robot.file.command_rate_hz
        margin = np.where(robot.is_gripper, 0.0, robot.file.safety.position_margin_rad)
        self._hard_lower, self._hard_upper = robot.lower, robot.upper
        self._lower, self._upper = robot.lower + margin, robot.upper - margin
        self._limit = robot.step_limit
        self._is_step_bound = robot.step_limit < robot.max_velocity / self.rate_hz - NEGLIGIBLE
        self._change = robot.max_acceleration / self.rate_hz**2
        # To catch up with the plan, to stop at the upper limits, to stop at the lower ones.
        shares = np.array([[CATCH_UP_SHARE], [1.0], [1.0]])
        self._brakes = shares * self._change
        self.positions: np.ndarray | None = None
        self.step = np.zeros(robot.dof)

    @property
    def is_still(self) -> bool:
        return not self.step.any()

    def start(self, positions: np.ndarray) -> None:
        """Take ``positions`` (dof,), drawn into the limits, as a command at rest."""
        self.positions = np.clip(positions, self._hard_lower, self._hard_upper)
        self.step = np.zeros_like(self.positions)
        self._target = self.positions

    def toward(self, target: np.ndarray, speed_share: float = 1.0) -> Move:
        """
        Return the next command on the way to ``target`` (dof,), finite.

        It goes along with the target's own step and makes up for what it is behind, so that it
        neither overshoots a target at rest nor lags behind one which keeps the limits.
        """
        at = self.positions
        # Where the arm already stands in the margin it may stay, and go inwards.
        lower, upper = np.minimum(self._lower, at), np.maximum(self._upper, at)
        target = np.minimum(np.maximum(target, lower), upper)
        along = _within(target - self._target, self._limit)
        behind = self._target - at
        ways = np.array([np.abs(behind), upper - at, at - lower])
        catch_up, up, down = _largest_step(ways, self._brakes)
        step = along + np.copysign(catch_up, behind)
        step = _within(step, speed_share * self._limit)
        step = np.minimum(np.maximum(step, self.step - self._change), self.step + self._change)
        step = np.maximum(np.minimum(step, up), -down)
        # The target itself where it is reached, and not the sum which is rounding away from it.
        at_target = np.abs(at + step - target) < NEGLIGIBLE
        positions = np.minimum(np.maximum(at + step, self._hard_lower), self._hard_upper)
        return Move(np.where(at_target, target, positions), step, target)

    def take(self, move: Move) -> None:
        """Make ``move`` the last command."""
        step = move.positions - self.positions
        self.step = np.where(np.abs(step) > NEGLIGIBLE, step, 0.0)
        self.positions, self._target = move.positions, move.target

    def brake(self) -> None:
        """Slow down by one tick along the acceleration limit; at rest, stay."""
        if not self.step.any():
            self._target = self.positions
            return
        slower = np.maximum(np.abs(self.step) - self._change, 0.0)
        self.step = np.copysign(slower, self.step) * (slower > NEGLIGIBLE)
        wanted = self.positions + self.step
        self.positions = np.minimum(np.maximum(wanted, self._hard_lower), self._hard_upper)
        self._target = self.positions

    def stopping_point(self, move: Move) -> np.ndarray:
        """Return where braking after ``move`` would end, shape (dof,)."""
        size = np.abs(move.step)
        ticks = np.floor(size / self._change)
        way = ticks * size - self._change * ticks * (ticks + 1.0) / 2.0
        return move.positions + np.copysign(way, move.step)

    def offence(self, command: np.ndarray, move: Move) -> Offence | None:
        """Return the worst limit which ``command`` broke and ``move`` keeps, or None."""
        outside = np.abs(command - move.target)
        if outside.max() > 1e-9:
            worst = int(outside.argmax())
            is_low = command[worst] < move.target[worst]
            bound = (self._lower if is_low else self._upper)[worst]
            return Offence('position', worst, float(command[worst]), float(bound))
        way = np.abs(move.target - self.positions)
        excess = way - self._limit
        if excess.max() > 1e-9:
            worst = int(excess.argmax())
            word = 'step' if self._is_step_bound[worst] else 'velocity'
            scale = 1.0 if word == 'step' else self.rate_hz
            return Offence(word, worst, float(way[worst] * scale), self._limit[worst] * scale)
        missed = np.abs(move.target - move.positions)
        if missed.max() > 1e-9:
            worst = int(missed.argmax())
            change = abs(move.target[worst] - self.positions[worst] - self.step[worst])
            scale = self.rate_hz**2
            limit = float(self._change[worst] * scale)
            return Offence('acceleration', worst, float(change * scale), limit)
        return None


def _within(values: np.ndarray, size: np.ndarray) -> np.ndarray:
    return np.minimum(np.maximum(values, -size), size)


def _largest_step(way: np.ndarray, change: np.ndarray) -> np.ndarray:
    """
    Return the largest step from which braking by ``change`` each tick ends within ``way``.

    The step s itself counts, so that s + (s - change) + (s - 2 change) + ... <= way.
    """
    way = np.maximum(way, 0.0)
    ticks = np.floor(0.5 * (np.sqrt(1.0 + 8.0 * way / change) - 1.0))
    return (way + change * ticks * (ticks + 1.0) / 2.0) / (ticks + 1.0)
