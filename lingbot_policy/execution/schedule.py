# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Chunks laid onto an execution clock: which step is due is a matter of time, not of count.

The clock advances by speed x dt. A chunk is laid by how much of it was executed since it was
seen: the time the arms moved since then, at the speed they moved with. From standstill that is
nothing, so its first step is due first. How old a chunk is comes from the ROS clock, what was
executed meanwhile from the monotonic one: a step of the ROS clock spoils one chunk, not all.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from lingbot_policy.chunk import ActionChunk, NS, RejectedChunk, require_executable, require_timely
from lingbot_policy.execution.strategies import find_strategy, Plan, plan_of, StrategyOptions

MOST_CHUNKS = 12  # an ensemble of more costs time; their weights are next to nothing
SPEED_CHANGE_PER_S = 2.0  # from standstill to full speed in half a second


class PlannedStep(NamedTuple):
    """
    What is due now: ``positions`` (dof,) and ``velocities`` (dof,), per s at the speed of now.

    ``sequence`` and ``step``, with its fraction, say from where in which chunk.
    """

    positions: np.ndarray
    velocities: np.ndarray
    sequence: int
    step: float


class Splice(NamedTuple):
    """By how much a new plan differs, where it takes over: both (dof,), new minus old."""

    positions: np.ndarray
    velocities: np.ndarray


class Schedule:
    """
    The plan in force, which accepted chunks make by the rules of a strategy.

    ``asked_speed`` is the share of the predicted speed that ``speed`` runs towards.
    """

    def __init__(
        self, dof: int, strategy: str = 'replace', options: StrategyOptions | None = None
    ) -> None:
        self._dof = dof
        self._options = options or StrategyOptions()
        self._plan: Plan | None = None
        self._chunks: deque[Plan] = deque(maxlen=MOST_CHUNKS)
        self._instruction = ''  # of the last accepted chunk
        self._newest_ns: int | None = None  # t_ref of the last accepted chunk
        self._ended_ns: int | None = None  # the ROS time at which the arms stood still
        self._now_ns = 0.0  # the execution clock
        self._tick_ns = 0  # monotonic time of the last tick
        self.ros_ns = 0  # ROS time of the last tick: when step 0 of `remaining` is due
        self._pieces: deque[tuple[int, float]] = deque(maxlen=512)  # monotonic, speed from then on
        self.speed = self.asked_speed = 1.0
        self.use(strategy)

    def use(self, strategy: str) -> None:
        """
        Let chunks follow each other by another strategy, and drop the plan.

        :raises ValueError: for an unknown one.
        """
        self.strategy = find_strategy(strategy)
        self.strategy_name = strategy
        self.clear()

    @property
    def rate_hz(self) -> float:
        """Steps per second of the plan in force at full speed, 0 without one."""
        return NS / self._plan.step_ns if self._plan else 0.0

    def advance(self, dt_ns: int, ros_now_ns: int, now_ns: int) -> None:
        """Move the execution clock on by ``speed`` x ``dt_ns``; ``now_ns`` is monotonic."""
        self.ros_ns, self._tick_ns = ros_now_ns, now_ns
        if self.speed != self.asked_speed:
            change = SPEED_CHANGE_PER_S * dt_ns / NS
            self.speed += min(max(self.asked_speed - self.speed, -change), change)
            if self._plan is not None:
                self._pieces.append((now_ns - dt_ns, self.speed))
        self._now_ns += self.speed * dt_ns

    def accept(
        self, chunk: ActionChunk, ros_now_ns: int, now_ns: int, since_tick_ns: int = 0
    ) -> Splice | None:
        """
        Lay a chunk onto the execution clock, which stands where it was ``since_tick_ns`` ago.

        ``now_ns`` is monotonic. Chunks of an instruction before are no part of the plan any more.

        :returns: how it differs from the plan in force, None where none covers now.
        :raises RejectedChunk: see :func:`require_executable` and :func:`require_timely`; busy or
            moving where the strategy waits.
        """
        require_executable(chunk, self._dof, ros_now_ns)
        if self.strategy.waits:
            self._require_rest(chunk)
        else:
            require_timely(chunk, self._newest_ns, ros_now_ns)
        self.ros_ns = ros_now_ns - since_tick_ns
        due_ns = self._now_ns + self.speed * since_tick_ns
        offset_ns = chunk.first_step_offset * chunk.step_ns
        executed_ns = self._executed_ns(ros_now_ns - chunk.t_ref_ns, now_ns)
        new = plan_of(chunk, due_ns - executed_ns + offset_ns)
        if new.end_ns < due_ns:
            raise RejectedChunk('late', 'its last step was executed before it came')
        old = self._plan if self._plan is not None and due_ns <= self._plan.end_ns else None
        if self._plan is None:
            self._pieces.append((now_ns, self.speed))
        if chunk.instruction != self._instruction:
            self._chunks.clear()
        self._chunks.append(new)
        covering = [each for each in self._chunks if each.end_ns >= due_ns]
        self._plan = self.strategy.join(old, covering, due_ns, self._options)
        self._newest_ns, self._instruction = chunk.t_ref_ns, chunk.instruction
        if old is None:
            return None
        before, after = old.at(due_ns), self._plan.at(due_ns)
        return Splice(after[0] - before[0], after[1] - before[1])

    def due(self) -> PlannedStep | None:
        """
        Return what is due now, or None where no chunk covers now.

        Until the first step is due, it is that one: a chunk stamped a little ahead is no hold.
        """
        plan = self._plan
        if plan is None or self._now_ns > plan.end_ns:
            return None
        positions, velocities = plan.at(self._now_ns)
        step = max(plan.step(self._now_ns), 0.0)
        return PlannedStep(positions, velocities * self.speed, plan.sequence, step)

    def remaining(self) -> np.ndarray:
        """Return the committed plan from the last tick on at policy rate, shape (steps, dof)."""
        plan = self._plan
        if plan is None or self._now_ns > plan.end_ns:
            return np.empty((0, self._dof))
        steps = np.arange(plan.step(self._now_ns), plan.trajectory.last + 1e-9)
        return plan.trajectory.sampled(steps)

    def finish(self, ros_now_ns: int) -> None:
        """Note that the plan has ended, and that the arms moved until now."""
        self._ended_ns = ros_now_ns
        self._drop_plan()

    def clear(self) -> None:
        """Drop the plan, and forget which chunk was the newest."""
        self._drop_plan()
        self._newest_ns, self._ended_ns = None, None

    def _drop_plan(self) -> None:
        if self._plan is not None:
            self._pieces.append((self._tick_ns, 0.0))
        self._plan = None
        self._chunks.clear()

    def _executed_ns(self, age_ns: int, now_ns: int) -> float:
        """Return how far motion went in the last ``age_ns``; negative for a time still to come."""
        if age_ns < 0:
            return self.speed * age_ns
        total, since_ns, until_ns = 0.0, now_ns - age_ns, now_ns
        for from_ns, speed in reversed(self._pieces):
            begin_ns = max(from_ns, since_ns)
            if begin_ns < until_ns:
                total += speed * (until_ns - begin_ns)
                until_ns = begin_ns
            if from_ns <= since_ns:
                break
        return total

    def _require_rest(self, chunk: ActionChunk) -> None:
        if self._plan is not None:
            raise RejectedChunk('busy', 'sync: the chunk before is still being executed')
        if self._ended_ns is not None and chunk.t_ref_ns < self._ended_ns:
            raise RejectedChunk('moving', 'sync: it was seen before the arms stood still')
