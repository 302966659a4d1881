# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How evenly one episode was executed, from arming on: rates, lateness, stalls, jumps, jerk.

It is fed per tick and holds no more than the newest :data:`WINDOW` ticks of what it ranks.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from lingbot_policy.execution.schedule import Splice
from lingbot_policy.robot import Robot

WINDOW = 8192
STALLS = ('no_chunk', 'deadman')  # motion ended for want of a chunk


@dataclass(frozen=True)
class CadenceReport:
    """
    Figures of an episode: Hz, ms, rad, rad/s, rad/s^3, of arm joints.

    Jumps are taken where a chunk takes over, each of its largest joint; that of the velocity is
    what the new plan asks for within one command, its jump of position included.
    ``jumps_too_far`` counts those farther than one command may go. Jerk is that of what was
    commanded.
    """

    policy_hz: float
    chunks_used: int
    late_ms_p50: float
    late_ms_p99: float
    late_ms_max: float
    stalls: int
    holds: int
    edges: int
    position_jump_median: float
    position_jump_p95: float
    position_jump_max: float
    velocity_jump_median: float
    velocity_jump_p95: float
    velocity_jump_max: float
    jumps_too_far: int
    jerk_rms: float
    jerk_p95: float


class Cadence:
    """Accumulates one episode; :meth:`reset` begins the next."""

    def __init__(self, robot: Robot) -> None:
        self._arm = ~robot.is_gripper
        self._too_far = robot.step_limit[self._arm]
        self._rate_hz = robot.file.command_rate_hz
        self.reset()

    def reset(self) -> None:
        """Forget the episode."""
        self.rejections: Counter[str] = Counter()
        self.holds: Counter[str] = Counter()
        self._late_ms = _Newest()
        self._position_jumps, self._velocity_jumps = _Newest(), _Newest()
        self._jerks = _Newest()
        self._squared_jerk = 0.0
        self._moving_ns = self._chunks_used = self._jumps_too_far = 0
        self._sequence = 0
        self._commands: list[np.ndarray] = []

    def tick(
        self, positions: np.ndarray, is_moving: bool, sequence: int, dt_ns: int, late_ns: int
    ) -> None:
        """
        Note a command (dof,), ``dt_ns`` after the one before, ``late_ns`` after its time.

        ``sequence`` is that of the chunk it came from, 0 for none.
        """
        self._late_ms.add(late_ns * 1e-6)
        if is_moving:
            self._moving_ns += dt_ns
        if sequence and sequence != self._sequence:
            self._chunks_used += 1
            self._sequence = sequence
        commands = self._commands
        commands.append(positions)
        if len(commands) < 4:
            return
        before, third, second, newest = commands
        del commands[0]
        if is_moving:
            jerk = (newest - before - 3.0 * (second - third))[self._arm] * self._rate_hz**3
            self._squared_jerk += float(jerk @ jerk) / len(jerk)
            self._jerks.add(float(np.abs(jerk).max()))

    def spliced(self, splice: Splice | None) -> None:
        """Note where a chunk took over from a plan in force; None where there was none."""
        if splice is None:
            return
        jump = np.abs(splice.positions[self._arm])
        self._position_jumps.add(float(jump.max()))
        asked = splice.velocities + splice.positions * self._rate_hz
        self._velocity_jumps.add(float(np.abs(asked[self._arm]).max()))
        self._jumps_too_far += bool((jump > self._too_far).any())

    def held(self, reason: str) -> None:
        """Note that motion ended in a hold, by the first word of its reason."""
        self.holds[reason.partition(':')[0]] += 1

    def rejected(self, reason: str) -> None:
        """Note a rejected chunk."""
        self.rejections[reason] += 1

    def report(self) -> CadenceReport:
        """Return the figures so far."""
        moving_s = self._moving_ns * 1e-9
        holds = dict(self.holds)
        edges, velocities, late = self._position_jumps, self._velocity_jumps, self._late_ms
        return CadenceReport(
            policy_hz=self._chunks_used / moving_s if moving_s else 0.0,
            chunks_used=self._chunks_used,
            late_ms_p50=late.percentile(50),
            late_ms_p99=late.percentile(99),
            late_ms_max=late.max,
            stalls=sum(holds.get(reason, 0) for reason in STALLS),
            holds=sum(holds.values()),
            edges=edges.count,
            position_jump_median=edges.percentile(50),
            position_jump_p95=edges.percentile(95),
            position_jump_max=edges.max,
            velocity_jump_median=velocities.percentile(50),
            velocity_jump_p95=velocities.percentile(95),
            velocity_jump_max=velocities.max,
            jumps_too_far=self._jumps_too_far,
            jerk_rms=(self._squared_jerk / max(self._jerks.count, 1)) ** 0.5,
            jerk_p95=self._jerks.percentile(95),
        )


class _Newest:
    """The newest values of a kind, to be ranked; their maximum is that of all."""

    def __init__(self) -> None:
        self._values = np.zeros(WINDOW)
        self.count = 0
        self.max = 0.0

    def add(self, value: float) -> None:
        self._values[self.count % WINDOW] = value
        self.count += 1
        self.max = max(self.max, value)

    def percentile(self, percent: float) -> float:
        """Return a percentile, 0 where nothing was added."""
        known = self._values[: min(self.count, WINDOW)]
        return float(np.percentile(known, percent)) if len(known) else 0.0
