# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the arms are asked to do: to follow a plan, softly at first, or to go home."""

import numpy as np

from lingbot_policy.execution.delay import DelayEstimate
from lingbot_policy.execution.schedule import PlannedStep, Schedule
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


class Motion:
    """The plan, the soft start into it, and the way home, in place of it."""

    def __init__(self, robot: Robot, chunks: Schedule, soft_start_s: float) -> None:
        self.delay = DelayEstimate()
        self._robot = robot
        self._chunks = chunks
        self._soft_start = SoftStart(soft_start_s)
        self._way_home: WayHome | None = None

    @property
    def is_going_home(self) -> bool:
        return self._way_home is not None

    @property
    def source(self) -> str:
        """Where what is asked for comes from: go_home, soft_start or chunk."""
        if self._way_home is not None:
            return 'go_home'
        return 'soft_start' if self._soft_start.is_running else 'chunk'

    def begin_way_home(self, start: np.ndarray) -> float:
        """Go home from ``start`` (dof,) instead of following a plan; return the time, s."""
        self._way_home = WayHome(self._robot, start)
        return self._way_home.seconds / self._chunks.asked_speed

    def advance(
        self, dt_ns: int, ros_now_ns: int, now_ns: int, begins: bool
    ) -> tuple[PlannedStep | None, np.ndarray | None]:
        """
        Return the planned step due now, and the positions (dof,) to ask the gate for.

        :param begins: the arms hold: what they are asked for begins a motion.
        """
        self._chunks.advance(dt_ns, ros_now_ns, now_ns)
        planned = self._chunks.due()
        if self._way_home is not None:
            positions = self._way_home.advance(dt_ns * 1e-9 * self._chunks.speed)
            if positions is None:
                self._way_home = None
            return None, positions
        if planned is None:
            return None, None
        if begins:
            self._soft_start.begin(now_ns)
        self.delay.commanded(ros_now_ns)
        return planned, planned.positions

    def speed_share(self, now_ns: int) -> float:
        """Return the share of the velocity limits which may be used now."""
        return self._soft_start.speed_share(now_ns)

    def follow(self, wanted: np.ndarray | None, commanded: np.ndarray) -> None:
        """Note what became of the positions asked for, both (dof,)."""
        if wanted is not None:
            self._soft_start.follow(wanted, commanded)

    def end(self, ros_now_ns: int, ends_plan: bool) -> None:
        """Note that the gate let nothing of it through; a plan that was followed has ended."""
        self._soft_start.end()
        self._way_home = None
        if ends_plan:
            self._chunks.finish(ros_now_ns)
            self.delay.dropped()

    def drop(self) -> None:
        """Ask for nothing more."""
        self._chunks.clear()
        self.delay.dropped()
        self._soft_start.end()
        self._way_home = None
