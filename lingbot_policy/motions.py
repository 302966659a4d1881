# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""How a run begins and ends: the soft start into a plan, and the way home."""

import numpy as np

from lingbot_policy.robot import Robot

FIRST_SHARE, LAST_SHARE = 0.05, 0.999  # of full speed, in a soft start
CAUGHT_UP = 1e-6  # rad or strokes
# A minimum-jerk profile over a distance D in a time T peaks at 15/8 D/T and 10/sqrt(3) D/T^2.
PEAK_VELOCITY = 15.0 / 8.0
PEAK_ACCELERATION = 10.0 / 3.0**0.5
SHARE_OF_LIMITS = 0.5  # nobody waits for the way home
SHORTEST_S = 1.0


class SoftStart:
    """
    Lets a motion that begins follow its plan ever faster, over ``seconds``.

    Where it has not caught up with the plan by then, it goes on at nearly full speed, for as long
    again at most: what the limits withhold from it meanwhile is no fault of the plan.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._from_ns: int | None = None
        self._has_caught_up = False

    @property
    def is_running(self) -> bool:
        return self._from_ns is not None

    def begin(self, now_ns: int) -> None:
        """Begin, unless it runs."""
        if self._from_ns is None:
            self._from_ns, self._has_caught_up = now_ns, False

    def end(self) -> None:
        self._from_ns = None

    def speed_share(self, now_ns: int) -> float:
        """Return the share of the velocity limits which may be used now; 1 once it has ended."""
        if self._from_ns is None:
            return 1.0
        share = (now_ns - self._from_ns) * 1e-9 / self._seconds
        if share >= (1.0 if self._has_caught_up else 2.0):
            self.end()
            return 1.0
        return min(max(share, FIRST_SHARE), LAST_SHARE)

    def follow(self, wanted: np.ndarray, commanded: np.ndarray) -> None:
        """Note what became of the position due, both (dof,)."""
        if self._from_ns is not None:
            self._has_caught_up = np.abs(wanted - commanded).max() < CAUGHT_UP


class WayHome:
    """
    A minimum-jerk motion of all joints at once to the robot file's home; grippers keep still.

    A gripper that opened would drop what it holds. At half the robot's limits of velocity and
    acceleration, and at least :data:`SHORTEST_S` long.
    """

    def __init__(self, robot: Robot, start: np.ndarray) -> None:
        self._start = start
        home = np.clip(robot.home, robot.lower, robot.upper)
        self._way = np.where(robot.is_gripper, 0.0, home - start)
        distance = np.abs(self._way)
        command_s = 1.0 / robot.file.command_rate_hz
        velocity = np.minimum(robot.max_velocity, robot.step_limit / command_s) * SHARE_OF_LIMITS
        acceleration = robot.max_acceleration * SHARE_OF_LIMITS
        self.seconds = max(
            SHORTEST_S,
            float((PEAK_VELOCITY * distance / velocity).max()),
            float(np.sqrt(PEAK_ACCELERATION * distance / acceleration).max()),
        )
        self._elapsed_s = 0.0

    def advance(self, seconds: float) -> np.ndarray | None:
        """Return the positions (dof,) so many seconds later, or None once home is reached."""
        if self._elapsed_s >= self.seconds:
            return None
        self._elapsed_s += seconds
        u = min(self._elapsed_s / self.seconds, 1.0)
        return self._start + self._way * (u * u * u * (10.0 + u * (6.0 * u - 15.0)))
