# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""How a run begins and ends: the soft start into a plan, and the way home."""

import numpy as np

from lingbot_policy.robot import Robot

FIRST_SHARE = 0.05  # of full speed, in the first tick of a soft start
# A minimum-jerk profile over a distance D in a time T peaks at 15/8 D/T and 10/sqrt(3) D/T^2.
PEAK_VELOCITY = 15.0 / 8.0
PEAK_ACCELERATION = 10.0 / 3.0**0.5
SHARE_OF_LIMITS = 0.5  # nobody waits for the way home
SHORTEST_S = 1.0


class SoftStart:
    """Lets a motion that begins follow its plan ever faster, over ``seconds``."""

    def __init__(self, robot: Robot, seconds: float) -> None:
        self._step_limit = robot.step_limit
        self._seconds = seconds
        self._from_ns: int | None = None

    @property
    def is_running(self) -> bool:
        return self._from_ns is not None

    def begin(self, now_ns: int) -> None:
        """Begin, unless it runs."""
        if self._from_ns is None:
            self._from_ns = now_ns

    def end(self) -> None:
        self._from_ns = None

    def softened(self, target: np.ndarray, last: np.ndarray, now_ns: int) -> np.ndarray:
        """Return what to command on the way from the last command to the target, (dof,)."""
        if self._from_ns is None:
            return target
        share = (now_ns - self._from_ns) * 1e-9 / self._seconds
        if share >= 1.0:
            self.end()
            return target
        step = self._step_limit * max(share, FIRST_SHARE)
        return last + np.clip(target - last, -step, step)


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
