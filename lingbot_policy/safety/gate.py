# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The gate every command passes: deny by default, and say why.

It is no certified safety device. It lives with the commands, in their process and thread, and
knows limits, ages, the measured joints and its own last command; times are ns of the monotonic
clock. What it guarantees and what it does not: docs/safety.md.
"""

from collections import Counter
import math

import numpy as np

from lingbot_policy.kinematics import table_height
from lingbot_policy.robot import Robot
from lingbot_policy.safety.clearance import Clearance
from lingbot_policy.safety.decision import Decision, MeasuredState, Reaction, told
from lingbot_policy.safety.following import FollowingWatch
from lingbot_policy.safety.health import StateWatch
from lingbot_policy.safety.limits import CommandedMotion, Move, Offence


class SafetyGate:
    """
    Checks each command against the robot's limits; keeps the last command it let through.

    ``counts`` has the ticks each check decided, by its word.

    :param max_state_age_s: oldest measured joint with which motion goes on.
    :param deadman_s: longest time without an accepted chunk before motion ends.
    :param max_chunk_age_s: oldest observation the executed chunk may stem from.
    """

    def __init__(
        self,
        robot: Robot,
        max_state_age_s: float,
        deadman_s: float,
        max_chunk_age_s: float = math.inf,
    ) -> None:
        self._robot = robot
        self._deadman_ns = deadman_s * 1e9
        self._chunk_age_ns = max_chunk_age_s * 1e9
        self._motion = CommandedMotion(robot)
        self._states = StateWatch(robot, max_state_age_s)
        self._following = FollowingWatch(robot)
        self._clearance: Clearance | None = None
        self._fed_ns: int | None = None
        self._seen_ns: int | None = None
        self._stopped: str = ''
        self.counts: Counter[str] = Counter()

    @property
    def last(self) -> np.ndarray | None:
        """The last command let through, or None before :meth:`seed`."""
        return self._motion.positions

    @property
    def stop_reason(self) -> str:
        """Why the gate is stopped, empty while it is not."""
        return self._stopped

    @property
    def is_still(self) -> bool:
        """Whether the last command moved nothing."""
        return self._motion.is_still

    def observe(self, state: MeasuredState, now_ns: int) -> None:
        """Remember the measured joints while nothing is checked, as disarmed."""
        self._states.note(state.positions, state.received_ns, now_ns)

    def seed(self, state: MeasuredState, now_ns: int) -> None:
        """
        Take the measured joints as the last command, as before motion.

        :raises ValueError: if a joint is unknown, stale, outside its limits and tolerance, or
            was measured in motion; or if an arm far from zero measures zero.
        """
        if problem := self._states.stale(state.positions, state.received_ns, now_ns):
            raise ValueError(f'no fresh joint state: {problem}')
        self._require_inside(state.positions)
        if problem := self._states.moving(now_ns, is_proof_needed=False):
            raise ValueError(f'the arms are moving: {problem}; wait until they stand still')
        if problem := self._states.begin(state.positions, state.received_ns):
            raise ValueError(f'{problem}; see whether the driver is connected to the arm')
        self._motion.start(state.positions)
        self._following.reset()
        self._fed_ns = self._seen_ns = None

    def guard_space(self, simulated: bool) -> str:
        """
        Check distances from now on where the geometry is to be trusted; return what is checked.

        Stand-in geometry is that of the simulated robot, and of no real one.
        """
        geometry, self._clearance = self._robot.file.geometry, None
        if geometry.stand_in and not simulated:
            return 'distances are not checked: the geometry of the robot file is a stand-in'
        table_z = geometry.table_z
        if table_z is None and simulated:
            table_z = table_height(self._robot)
        self._clearance = Clearance(self._robot, table_z)
        table = 'no table is known' if table_z is None else f'table at {table_z:.3f} m'
        box = 'no workspace is known' if geometry.workspace is None else 'workspace box'
        return f'distances are checked: both arms, {table}, {box}'

    def feed(self, now_ns: int, seen_ns: int | None = None) -> None:
        """Note an accepted chunk, observed at ``seen_ns``: the deadman waits anew."""
        self._fed_ns, self._seen_ns = now_ns, now_ns if seen_ns is None else seen_ns

    def hear(self, now_ns: int) -> None:
        """Note that chunks still come, though none is wanted now: the deadman waits anew."""
        self._fed_ns = now_ns

    def stop(self, reason: str) -> None:
        """Latch a stop: nothing moves until :meth:`release`."""
        self._stopped = self._stopped or reason

    def report_fault(self, source: str, text: str) -> None:
        """Latch a stop for what a drive or its vendor's driver reports on ``source``."""
        self.stop(f'drive_fault: {source}: {text}')

    def clear_stop(self) -> None:
        """Forget the stop. Before motion the caller uses :meth:`release` or seeds anew."""
        self._stopped = ''

    def release(self, state: MeasuredState, now_ns: int) -> None:
        """
        Clear a stop and take the measured joints as the last command.

        :raises ValueError: while the command or the measured joints move, were not seen to stand
            still for 0.1 s, or are not fresh and within limits. Then the stop stays.
        """
        if self.last is not None and not self.is_still:
            raise ValueError('still braking; clear the stop when the arms stand still')
        if problem := self._states.stale(state.positions, state.received_ns, now_ns):
            raise ValueError(f'no fresh joint state: {problem}')
        if problem := self._states.moving(now_ns, is_proof_needed=True):
            raise ValueError(f'not known to stand still: {problem}; clear the stop later')
        self.seed(state, now_ns)
        self.clear_stop()

    def check(
        self,
        command: np.ndarray | None,
        state: MeasuredState,
        now_ns: int,
        speed_share: float = 1.0,
    ) -> Decision:
        """
        Return what to send in place of ``command`` ((dof,), or None where nothing is due).

        :param speed_share: share of the velocity limits, as in a soft start.
        :raises RuntimeError: if the gate was never seeded with a measured state.
        """
        if self.last is None:
            raise RuntimeError('the gate checks nothing before it is seeded')
        self.observe(state, now_ns)
        decision = self._decide(command, state, now_ns, speed_share)
        if decision.reaction is not Reaction.COMMAND:
            self.counts[decision.word] += 1
        return decision

    def _decide(
        self, command: np.ndarray | None, state: MeasuredState, now_ns: int, speed_share: float
    ) -> Decision:
        problem = self._untrusted(state, now_ns) or self._undue(command, now_ns)
        if self._stopped:
            return self._brake(Reaction.STOP, self._stopped)
        if problem:
            return self._brake(Reaction.HOLD, problem)
        if command.shape != self.last.shape:
            self.stop(f'length: {command.shape} for {self.last.shape}')
            return self._brake(Reaction.STOP, self._stopped)
        if not np.isfinite(command).all():
            joint = self._robot.joints[int(np.flatnonzero(~np.isfinite(command))[0])]
            return self._brake(Reaction.HOLD, f'not_finite: {joint}', joint)
        move = self._motion.toward(command, speed_share)
        if self._clearance is not None:
            stop = self._motion.stopping_point(move)
            if problem := self._clearance.check(self.last, move.positions, stop):
                return self._brake(Reaction.HOLD, f'clearance: {problem}')
        offence = self._motion.offence(command, move)
        self._motion.take(move)
        if offence is None or (speed_share < 1.0 and offence.word != 'position'):
            return Decision(Reaction.COMMAND, move.positions)
        return self._clamped(move, offence)

    def _untrusted(self, state: MeasuredState, now_ns: int) -> str:
        """Return why to hold for the measured joints; where they cannot be true, stop."""
        measured, received_ns = state.positions, state.received_ns
        if problem := self._states.stale(measured, received_ns, now_ns):
            return f'stale_state: {problem}'
        tolerance = self._following.tolerance
        if problem := self._states.implausible(measured, received_ns, self.last, tolerance):
            self.stop(problem)
        elif problem := self._following.check(self.last, measured, now_ns):
            problem = f'following: {problem}'
            if self._following.must_stop:
                self.stop(problem)
        return problem

    def _undue(self, command: np.ndarray | None, now_ns: int) -> str:
        """Return why no command counts as given."""
        if self._fed_ns is not None:
            if now_ns - self._fed_ns > self._deadman_ns:
                return f'deadman: no chunk for {(now_ns - self._fed_ns) * 1e-9:.2f} s'
            if now_ns - self._seen_ns > self._chunk_age_ns:
                return (
                    f'chunk_age: observed {(now_ns - self._seen_ns) * 1e-9:.2f} s ago, '
                    f'limit {self._chunk_age_ns * 1e-9:.2f} s'
                )
        return 'no_chunk: no chunk covers now' if command is None else ''

    def _clamped(self, move: Move, offence: Offence) -> Decision:
        name = self._robot.joints[offence.index]
        value, limit = told(offence.value, offence.limit)
        reason = f'{offence.word}: {name} at {value}, limit {limit}'
        return Decision(
            Reaction.CLAMP, move.positions, reason, name, offence.value, float(offence.limit)
        )

    def _brake(self, reaction: Reaction, reason: str, joint: str = '') -> Decision:
        """Slow down along the acceleration limit, then repeat the last command."""
        is_braking = not self.is_still
        self._motion.brake()
        if is_braking and reaction is Reaction.HOLD:
            reaction = Reaction.BRAKE
        return Decision(reaction, self.last, reason, joint)

    def _require_inside(self, positions: np.ndarray) -> None:
        robot = self._robot
        low, high = robot.lower - robot.state_tolerance, robot.upper + robot.state_tolerance
        outside = np.flatnonzero((positions < low) | (positions > high))
        if outside.size:
            found = ', '.join(
                f'{robot.joints[i]} at {positions[i]:.3f}, limits '
                f'{robot.lower[i]:.3f} .. {robot.upper[i]:.3f}'
                for i in outside
            )
            raise ValueError(f'measured joints outside their limits: {found}')
