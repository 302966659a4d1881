# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether the measured joints can be true: fresh, not leaping, not all zero, and standing still.

A driver which is started anew may report zeros, or count from another origin.
"""

from collections import deque

import numpy as np

from lingbot_policy.robot import Robot, SIDES

STILL_RAD = 0.01  # encoder noise and a compliant arm at rest stay below
STILL_SPAN_NS = 100_000_000  # what has to be seen before a joint counts as still
_KEPT_NS = 300_000_000
_SPACING_NS = 20_000_000
_BUNCHED_S = 0.05  # messages of a busy computer arrive together
_LONGEST_S = 0.1  # a longer silence does not allow a larger leap


class StateWatch:
    """Remembers the measured joints of the last 0.3 s. Positions (dof,), times ns monotonic."""

    def __init__(self, robot: Robot, max_age_s: float) -> None:
        self._robot = robot
        self._max_age_ns = max_age_s * 1e9
        self._arms = [(side, robot.slots(side)[0]) for side in SIDES]
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self._history: deque[tuple[int, np.ndarray]] = deque()

    def stale(self, positions: np.ndarray, received_ns: np.ndarray, now_ns: int) -> str:
        """Return which joint was never received or is too old, '' for none."""
        if not np.isfinite(positions).all():
            unknown = int(np.flatnonzero(~np.isfinite(positions))[0])
            return f'{self._robot.joints[unknown]} was never received'
        oldest = int(received_ns.argmin())
        age_ns = now_ns - int(received_ns[oldest])
        if age_ns <= self._max_age_ns:
            return ''
        return (
            f'{self._robot.joints[oldest]} is {age_ns * 1e-6:.0f} ms old, '
            f'limit {self._max_age_ns * 1e-6:.0f} ms'
        )

    def note(self, positions: np.ndarray, received_ns: np.ndarray, now_ns: int) -> None:
        """Remember a measured state; the same one again, or one with a hole, is left out."""
        if self._last is not None and self._last[0] is positions:
            return
        if self._history and now_ns - self._history[-1][0] < _SPACING_NS:
            return
        if np.isfinite(positions).all():
            self._history.append((now_ns, positions))
            while now_ns - self._history[0][0] > _KEPT_NS:
                self._history.popleft()

    def moving(self, now_ns: int, is_proof_needed: bool) -> str:
        """
        Return which arm joint was measured in motion within the last 0.3 s, '' for none.

        :param is_proof_needed: too short a history counts as motion.
        """
        seen = [(at, positions) for at, positions in self._history if now_ns - at <= _KEPT_NS]
        if len(seen) < 2 or seen[-1][0] - seen[0][0] < STILL_SPAN_NS:
            return 'the joints were not measured for 0.1 s' if is_proof_needed else ''
        way = np.ptp(np.stack([positions for _, positions in seen]), axis=0)
        way[self._robot.is_gripper] = 0.0
        worst = int(way.argmax())
        if way[worst] <= STILL_RAD:
            return ''
        span_s = (seen[-1][0] - seen[0][0]) * 1e-9
        return f'{self._robot.joints[worst]} moved by {way[worst]:.3f} rad in {span_s:.2f} s'

    def begin(self, positions: np.ndarray, received_ns: np.ndarray) -> str:
        """Take a fresh state as the first of a motion; return why it cannot be, '' if it can."""
        self._last = (positions, received_ns)
        return self._zero(positions, self._robot.home)

    def implausible(
        self,
        positions: np.ndarray,
        received_ns: np.ndarray,
        command: np.ndarray,
        tolerance: np.ndarray,
    ) -> str:
        """
        Return why a fresh state cannot be true, '' where it can; it becomes the last one.

        A leap is faster than a joint can be and ends further from ``command`` than
        ``tolerance``: joints which catch up after a silence end near their command.
        """
        last, self._last = self._last, (positions, received_ns)
        if last is None or last[0] is positions:
            return ''
        # A joint which begins at 0 may lag behind its command: only what was elsewhere counts.
        if (zero := self._zero(positions, command)) and not self._zero(last[0], command):
            return f'state_zero: {zero}'
        error = np.abs(positions - command)
        if not (error > tolerance).any():
            return ''
        since_s = np.clip((received_ns - last[1]) * 1e-9, 0.0, _LONGEST_S) + _BUNCHED_S
        with np.errstate(over='ignore'):
            leap = np.abs(positions - last[0])
        is_leap = (leap > 2.0 * self._robot.max_velocity * since_s) & (error > tolerance)
        if not is_leap.any():
            return ''
        worst = int((leap * is_leap).argmax())
        return (
            f'state_jump: {self._robot.joints[worst]} by {leap[worst]:.3f} rad at once, now '
            f'{error[worst]:.3f} rad from its command'
        )

    def _zero(self, positions: np.ndarray, expected: np.ndarray) -> str:
        for side, arm in self._arms:
            if positions[arm].any():
                continue
            if (np.abs(expected[arm]) > self._robot.state_tolerance[arm]).any():
                return f'every joint of the {side} arm measures exactly 0'
        return ''
