# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A motion that a policy predicts from where the arms are: within a share of their limits."""

from collections import deque

import numpy as np

from lingbot_policy.robot import Robot

S = 1_000_000_000
PERIOD_S = 4.0
SET_OFF_S = 0.5  # from rest to full pace
SEEN_AT_REST_S = 0.3  # so long a hold is noticed after
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
        speed = robot.step_limit * robot.file.command_rate_hz
        far = np.minimum(
            SHARE * speed * PERIOD_S / np.pi,
            SHARE * robot.max_acceleration * PERIOD_S**2 / (2.0 * np.pi**2),
        )
        far = np.minimum(far, 0.4 * (high - low))
        self.way = np.where(0.5 * (low + high) >= self.rest, far, -far)
        self._phase_s = self._pace = self._idle_s = 0.0
        self._passes = False
        self._track: deque[tuple[int, float, float]] = deque([(0, 0.0, 0.0)], maxlen=1000)

    def set_off(self, since_ns: int, now_ns: int) -> None:
        """Begin from rest, as seen at ``since_ns``, unless it is on its way."""
        if self._passes:
            return
        passed_s = (now_ns - since_ns) / S
        self._passes, self._idle_s = True, 0.0
        self._phase_s += float(_way(0.0, np.float64(passed_s)))
        self._pace = min(1.0, passed_s / SET_OFF_S)
        self._track[-1] = (now_ns, self._phase_s, self._pace)

    def go_on(self, now_ns: int, passed_s: float, is_moving: bool, may_move: bool) -> None:
        """Let ``passed_s`` of it pass until ``now_ns``."""
        if not may_move:
            self._passes = False
        if not self._passes:
            self._pace = 0.0
        else:
            self._phase_s += float(_way(self._pace, np.float64(passed_s)))
            self._pace = min(1.0, self._pace + passed_s / SET_OFF_S)
            self._idle_s = 0.0 if is_moving else self._idle_s + passed_s
            self._passes = self._idle_s < SEEN_AT_REST_S
        self._track.append((now_ns, self._phase_s, self._pace))

    def ahead(self, since_ns: int, ahead_s: np.ndarray) -> np.ndarray:
        """Return the joints (times, dof) ``ahead_s`` after ``since_ns``, which has passed."""
        times, phases, paces = zip(*self._track, strict=True)
        pace = float(np.interp(since_ns, times, paces))
        phase_s = float(np.interp(since_ns, times, phases)) + _way(pace, ahead_s)
        share = 0.5 - 0.5 * np.cos(2.0 * np.pi / PERIOD_S * phase_s)
        return self.rest + self.way * share[:, None]


def _way(pace: float, ahead_s: np.ndarray) -> np.ndarray:
    """Return how much passes within ``ahead_s`` while the pace grows to 1."""
    left_s = (1.0 - pace) * SET_OFF_S
    ramp_s = np.minimum(ahead_s, left_s)
    return pace * ramp_s + ramp_s**2 / (2.0 * SET_OFF_S) + np.maximum(ahead_s - left_s, 0.0)
