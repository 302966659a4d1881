# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The gate every command passes: deny by default, and say why.

It is no certified safety device. It lives with the commands, in their process and thread, and
knows limits, ages and its own last command; times are ns of the monotonic clock.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from lingbot_policy.robot import Robot


class Reaction(StrEnum):
    """What the gate made of a command, from harmless to final."""

    COMMAND = 'command'
    CLAMP = 'clamp'
    HOLD = 'hold'
    BRAKE = 'brake'
    STOP = 'stop'


@dataclass(frozen=True)
class Decision:
    """
    The command to send, shape (dof,), and how it came about.

    ``joint``, ``value`` and ``limit`` name the worst offence, where there is one.
    """

    reaction: Reaction
    positions: np.ndarray
    reason: str = ''
    joint: str = ''
    value: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True)
class MeasuredState:
    """Measured joints (dof,), NaN where never received, and when each was received, ns."""

    positions: np.ndarray
    received_ns: np.ndarray


class SafetyGate:
    """
    Checks each command against the robot's limits; keeps the last command it let through.

    :param max_state_age_s: oldest measured joint with which motion goes on.
    :param deadman_s: longest time without an accepted chunk before motion ends.
    """

    def __init__(self, robot: Robot, max_state_age_s: float, deadman_s: float) -> None:
        self._robot = robot
        self._max_state_age_ns = max_state_age_s * 1e9
        self._deadman_ns = deadman_s * 1e9
        self._dt = 1.0 / robot.file.command_rate_hz
        self._last: np.ndarray | None = None
        self._velocity = np.zeros(robot.dof)
        self._fed_ns: int | None = None
        self._stopped: str = ''

    @property
    def last(self) -> np.ndarray | None:
        """The last command let through, or None before :meth:`seed`."""
        return self._last

    @property
    def stop_reason(self) -> str:
        """Why the gate is stopped, empty while it is not."""
        return self._stopped

    @property
    def is_still(self) -> bool:
        return not self._velocity.any()

    def seed(self, state: MeasuredState, now_ns: int) -> None:
        """
        Take the measured joints as the last command, as before motion.

        :raises ValueError: if a joint is unknown, stale, or outside its limits and tolerance.
        """
        if problem := self._stale(state, now_ns):
            raise ValueError(f'no fresh joint state: {problem}')
        low = self._robot.lower - self._robot.state_tolerance
        high = self._robot.upper + self._robot.state_tolerance
        outside = np.flatnonzero((state.positions < low) | (state.positions > high))
        if outside.size:
            found = ', '.join(
                f'{self._robot.joints[i]} at {state.positions[i]:.3f}, limits '
                f'{self._robot.lower[i]:.3f} .. {self._robot.upper[i]:.3f}'
                for i in outside
            )
            raise ValueError(f'measured joints outside their limits: {found}')
        self._last = np.clip(state.positions, self._robot.lower, self._robot.upper)
        self._velocity = np.zeros(self._robot.dof)
        self._fed_ns = None

    def feed(self, now_ns: int) -> None:
        """Note an accepted chunk: the deadman waits anew."""
        self._fed_ns = now_ns

    def stop(self, reason: str) -> None:
        """Latch a stop: nothing moves until :meth:`clear_stop`."""
        self._stopped = self._stopped or reason

    def clear_stop(self) -> None:
        """Release a latched stop. The caller seeds the gate anew and arms anew."""
        self._stopped = ''

    def check(self, command: np.ndarray | None, state: MeasuredState, now_ns: int) -> Decision:
        """
        Return what to send in place of ``command`` ((dof,), or None where nothing is due).

        :raises RuntimeError: if the gate was never seeded with a measured state.
        """
        if self._last is None:
            raise RuntimeError('the gate checks nothing before it is seeded')
        if self._stopped:
            return self._brake(Reaction.STOP, self._stopped)
        if problem := self._stale(state, now_ns):
            return self._brake(Reaction.HOLD, f'stale_state: {problem}')
        if self._fed_ns is not None and now_ns - self._fed_ns > self._deadman_ns:
            waited_s = (now_ns - self._fed_ns) * 1e-9
            return self._brake(Reaction.HOLD, f'deadman: no chunk for {waited_s:.2f} s')
        if command is None:
            return self._brake(Reaction.HOLD, 'no_chunk: no chunk covers now')
        if command.shape != self._last.shape:
            self.stop(f'length: {command.shape} for {self._last.shape}')
            return self._brake(Reaction.STOP, self._stopped)
        if not np.isfinite(command).all():
            joint = self._robot.joints[int(np.flatnonzero(~np.isfinite(command))[0])]
            return self._brake(Reaction.HOLD, f'not_finite: {joint}', joint)
        return self._limit(command)

    def _limit(self, command: np.ndarray) -> Decision:
        robot = self._robot
        inside = np.clip(command, robot.lower, robot.upper)
        step = np.clip(inside - self._last, -robot.step_limit, robot.step_limit)
        allowed = np.clip(self._last + step, robot.lower, robot.upper)
        decision = Decision(Reaction.COMMAND, allowed)
        beyond = np.abs(command - inside)
        too_far = np.abs(inside - self._last) - robot.step_limit
        if (beyond > 1e-9).any():
            worst = int(beyond.argmax())
            bound = robot.lower if command[worst] < inside[worst] else robot.upper
            decision = self._clamped(allowed, 'position', worst, command[worst], bound[worst])
        elif (too_far > 1e-9).any():
            worst = int(too_far.argmax())
            velocity = abs(inside[worst] - self._last[worst]) / self._dt
            limit = robot.step_limit[worst] / self._dt
            decision = self._clamped(allowed, 'velocity', worst, velocity, limit)
        self._velocity = (allowed - self._last) / self._dt
        self._last = allowed
        return decision

    def _clamped(
        self, allowed: np.ndarray, what: str, joint: int, value: float, limit: float
    ) -> Decision:
        name = self._robot.joints[joint]
        reason = f'{what}: {name} at {value:.3f}, limit {limit:.3f}'
        return Decision(Reaction.CLAMP, allowed, reason, name, float(value), float(limit))

    def _brake(self, reaction: Reaction, reason: str, joint: str = '') -> Decision:
        """Slow down along the acceleration limit, then repeat the last command."""
        if self._velocity.any():
            drop = self._robot.max_acceleration * self._dt
            slower = np.maximum(np.abs(self._velocity) - drop, 0.0)
            self._velocity = np.copysign(slower, self._velocity) * (slower > 1e-9)
            wanted = self._last + self._velocity * self._dt
            self._last = np.clip(wanted, self._robot.lower, self._robot.upper)
            if reaction is Reaction.HOLD:
                reaction = Reaction.BRAKE
        return Decision(reaction, self._last, reason, joint)

    def _stale(self, state: MeasuredState, now_ns: int) -> str:
        unknown = np.flatnonzero(~np.isfinite(state.positions))
        if unknown.size:
            return f'{self._robot.joints[unknown[0]]} was never received'
        ages_ns = now_ns - state.received_ns
        oldest = int(ages_ns.argmax())
        if ages_ns[oldest] <= self._max_state_age_ns:
            return ''
        return (
            f'{self._robot.joints[oldest]} is {ages_ns[oldest] * 1e-6:.0f} ms old, '
            f'limit {self._max_state_age_ns * 1e-6:.0f} ms'
        )
