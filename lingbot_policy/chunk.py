# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Action chunks in time: which step is due is a matter of time, not of count.

Step i of a chunk is due at t_ref + (i + first_step_offset) / rate. The executor keeps an
execution clock which advances by speed x dt; chunks are laid onto it when they are accepted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

NS = 1_000_000_000
FUTURE_TOLERANCE_NS = 50_000_000


@dataclass(frozen=True)
class ActionChunk:
    """
    A policy's prediction: ``positions`` (horizon, dof), absolute, in robot units.

    ``timing`` holds s per stage; ``t_ref_ns`` is the stamp of the observation.
    """

    positions: np.ndarray
    t_ref_ns: int
    rate_hz: float
    first_step_offset: float = 0.0
    sequence: int = 0
    contract_digest: str = ''
    instruction: str = ''
    timing: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0

    @property
    def horizon(self) -> int:
        return len(self.positions)

    @property
    def step_ns(self) -> float:
        return NS / self.rate_hz

    @property
    def end_ns(self) -> int:
        """When the last step is due, at full speed."""
        return self.t_ref_ns + round((self.horizon - 1 + self.first_step_offset) * self.step_ns)


class RejectedChunk(Exception):
    """A chunk which may not be executed. ``reason`` is one word to count by."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f'{reason}: {detail}')
        self.reason = reason


@dataclass(frozen=True)
class PlannedStep:
    """What is due now: ``positions`` (dof,), from which chunk, at which (fractional) step."""

    positions: np.ndarray
    sequence: int
    step: float


class ChunkExecutor:
    """
    Turns accepted chunks into the position due now.

    ``replace``: the newest chunk takes over at the next tick. ``sync``: for a policy slower than
    its horizon; a chunk is anchored when it is accepted, and others wait until it has ended.
    """

    def __init__(self, dof: int, mode: Literal['replace', 'sync'] = 'replace') -> None:
        if mode not in ('replace', 'sync'):
            raise ValueError(f'no execution mode {mode!r}; known: replace, sync')
        self._dof = dof
        self._mode = mode
        self._chunk: ActionChunk | None = None
        self._anchor_ns = 0.0  # execution time of the chunk's step 0
        self._now_ns = 0.0  # the execution clock
        self._ended_ns: int | None = None  # sync: the ROS time at which the arms stood still
        self.speed = 1.0

    @property
    def rate_hz(self) -> float:
        """Steps per second of the chunk being executed, 0 without one."""
        return self._chunk.rate_hz if self._chunk else 0.0

    def advance(self, dt_ns: int) -> None:
        """Move the execution clock on by ``speed`` x ``dt_ns``."""
        self._now_ns += self.speed * dt_ns

    def accept(self, chunk: ActionChunk, ros_now_ns: int) -> None:
        """
        Lay a chunk onto the execution clock.

        :raises RejectedChunk: empty, shape, rate, not_finite, out_of_order, late, future, busy
            or moving.
        """
        self._refuse(chunk, ros_now_ns)
        offset_ns = chunk.first_step_offset * chunk.step_ns
        age_ns = 0.0 if self._mode == 'sync' else ros_now_ns - chunk.t_ref_ns
        self._anchor_ns = self._now_ns - self.speed * age_ns + offset_ns
        self._chunk = chunk

    def due(self) -> PlannedStep | None:
        """
        Return what is due now, or None where no chunk covers now.

        Until the first step is due, it is that one: a chunk stamped a little ahead is no hold.
        """
        if self._chunk is None:
            return None
        step = max((self._now_ns - self._anchor_ns) / self._chunk.step_ns, 0.0)
        if step > self._chunk.horizon - 1:
            return None
        return PlannedStep(_at(self._chunk.positions, step), self._chunk.sequence, step)

    def remaining(self) -> np.ndarray:
        """Return the committed plan from now on at policy rate, shape (steps, dof)."""
        now = self.due()
        if now is None:
            return np.empty((0, self._dof))
        positions, last = self._chunk.positions, self._chunk.horizon - 1
        steps = np.arange(now.step, last + 1e-9)
        return np.stack([_at(positions, step) for step in steps])

    def finish(self, ros_now_ns: int) -> None:
        """Note that the chunk has ended, and that the arms moved until now (``sync``)."""
        self._ended_ns = ros_now_ns
        self._chunk = None

    def clear(self) -> None:
        """Drop the chunk: nothing is due until another is accepted."""
        self._chunk = None
        self._ended_ns = None

    def _refuse(self, chunk: ActionChunk, ros_now_ns: int) -> None:
        if chunk.horizon == 0:
            raise RejectedChunk('empty', 'no steps')
        if chunk.positions.ndim != 2 or chunk.positions.shape[1] != self._dof:
            raise RejectedChunk(
                'shape', f'found {chunk.positions.shape}, expected (horizon, {self._dof})'
            )
        if not 0.0 < chunk.rate_hz < np.inf or not np.isfinite(chunk.first_step_offset):
            raise RejectedChunk(
                'rate', f'{chunk.rate_hz} Hz from step {chunk.first_step_offset}, expected numbers'
            )
        if not np.isfinite(chunk.positions).all():
            step, joint = np.argwhere(~np.isfinite(chunk.positions))[0]
            raise RejectedChunk('not_finite', f'step {step}, joint {joint}')
        ahead_ns = chunk.t_ref_ns - ros_now_ns
        if ahead_ns > FUTURE_TOLERANCE_NS:
            raise RejectedChunk('future', f'stamped {ahead_ns * 1e-6:.0f} ms ahead of now')
        if self._mode == 'sync':
            self._refuse_unsynchronised(chunk)
            return
        if self._chunk is not None and chunk.t_ref_ns <= self._chunk.t_ref_ns:
            behind_ms = (self._chunk.t_ref_ns - chunk.t_ref_ns) * 1e-6
            raise RejectedChunk('out_of_order', f'{behind_ms:.0f} ms older than the last accepted')
        if chunk.end_ns < ros_now_ns:
            late_ms = (ros_now_ns - chunk.end_ns) * 1e-6
            raise RejectedChunk('late', f'its last step was due {late_ms:.0f} ms ago')

    def _refuse_unsynchronised(self, chunk: ActionChunk) -> None:
        if self._chunk is not None:
            raise RejectedChunk('busy', 'sync: the chunk before is still being executed')
        if self._ended_ns is not None and chunk.t_ref_ns < self._ended_ns:
            raise RejectedChunk('moving', 'sync: it was seen before the arms stood still')


def _at(positions: np.ndarray, step: float) -> np.ndarray:
    low = min(int(step), len(positions) - 1)
    high = min(low + 1, len(positions) - 1)
    return positions[low] + (step - low) * (positions[high] - positions[low])
