# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A motion that a policy predicts from where the arms are: within a share of their limits."""

from collections import deque

import numpy as np

from lingbot_policy.robot import Robot

S = 1_000_000_000
PERIOD_S = 4.0
SET_OFF_S = 1.0  # from rest to full pace
SHARE = 0.3  # of speed and acceleration


class Sway:
    """
    Joints sway from ``rest`` towards the middle of their range and back.

    Its phase passes while the arms move, and sets off anew where they were held.
    """

    def __init__(self, robot: Robot) -> None:
        low, high = robot.lower, robot.upper
        margin = 0.05 * (high - low)
        self.rest = np.clip(robot.home, low + margin, high - margin)
        self._speed = SHARE * robot.step_limit * robot.file.command_rate_hz
        self._surge = SHARE * robot.max_acceleration
        self._period_s = PERIOD_S
        far = np.minimum(
            self._speed * PERIOD_S / np.pi, self._surge * PERIOD_S**2 / (2.0 * np.pi**2)
        )
        far = np.minimum(far, 0.4 * (high - low))
        self.way = np.where(0.5 * (low + high) >= self.rest, far, -far)
        self._begin()

    def lead(self, start: np.ndarray, target: np.ndarray) -> None:
        """Sway between two postures (dof,) instead, beginning at the first, as fast as before."""
        self.rest, self.way = start, target - start
        far = np.abs(self.way)
        self._period_s = max(
            (np.pi * far / self._speed).max(),
            np.sqrt(2.0 * np.pi**2 * far / self._surge).max(),
        )
        self._begin()

    def _begin(self) -> None:
        self._phase_s = self._elapsed_s = 0.0  # phase at the last rest, and the time since
        self._track: deque[tuple[int, float, float]] = deque([(0, 0.0, 0.0)], maxlen=1000)

    def go_on(self, now_ns: int, passed_s: float, is_moving: bool) -> None:
        """Let ``passed_s`` of it pass until ``now_ns``, if the arms moved all the time."""
        if is_moving:
            self._elapsed_s += passed_s
        else:
            self._phase_s += float(_way(np.float64(self._elapsed_s)))
            self._elapsed_s = 0.0
        self._track.append((now_ns, self._phase_s, self._elapsed_s))

    def ahead(self, since_ns: int, ahead_s: np.ndarray) -> np.ndarray:
        """Return the joints (times, dof) ``ahead_s`` after ``since_ns``, which has passed."""
        times, phases, elapsed = zip(*self._track, strict=True)
        phase_s = float(np.interp(since_ns, times, phases))
        phase_s = phase_s + _way(float(np.interp(since_ns, times, elapsed)) + ahead_s)
        share = 0.5 - 0.5 * np.cos(2.0 * np.pi / self._period_s * phase_s)
        return self.rest + self.way * share[:, None]


def _way(elapsed_s: np.ndarray) -> np.ndarray:
    """Return how much of the phase passes so long after a rest, s."""
    share = np.minimum(elapsed_s / SET_OFF_S, 1.0)
    ramp_s = SET_OFF_S * share**3 * (1.0 - 0.5 * share)
    return ramp_s + np.maximum(elapsed_s - SET_OFF_S, 0.0)
