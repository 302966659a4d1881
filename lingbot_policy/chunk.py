# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A policy's prediction in time, and what makes one unacceptable."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

NS = 1_000_000_000
FUTURE_TOLERANCE_NS = 50_000_000
MIN_STEPS = 2  # fewer are no motion: neither a velocity nor a time to the next can be told


@dataclass(frozen=True)
class ActionChunk:
    """
    A policy's prediction: ``positions`` (horizon, dof), absolute, in robot units.

    Step i is due at ``t_ref_ns`` + (i + ``first_step_offset``) / ``rate_hz``, where ``t_ref_ns``
    is the stamp of the observation; ``timing`` holds s per stage.
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


def require_executable(chunk: ActionChunk, dof: int, ros_now_ns: int) -> None:
    """
    Refuse a chunk which no state of the executor could execute.

    :raises RejectedChunk: empty, short, shape, rate, not_finite or future.
    """
    if chunk.horizon == 0:
        raise RejectedChunk('empty', 'no steps')
    if chunk.positions.ndim != 2 or chunk.positions.shape[1] != dof:
        raise RejectedChunk('shape', f'found {chunk.positions.shape}, expected (horizon, {dof})')
    if chunk.horizon < MIN_STEPS:
        raise RejectedChunk('short', f'{chunk.horizon} step, expected {MIN_STEPS} or more')
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


def require_timely(chunk: ActionChunk, newest_ns: int | None, ros_now_ns: int) -> None:
    """
    Refuse a chunk whose time has passed; ``newest_ns`` is the t_ref of the last accepted one.

    :raises RejectedChunk: duplicate, out_of_order or late.
    """
    if newest_ns is not None and chunk.t_ref_ns == newest_ns:
        raise RejectedChunk('duplicate', 'a chunk of the same observation was accepted before')
    if newest_ns is not None and chunk.t_ref_ns < newest_ns:
        behind_ms = (newest_ns - chunk.t_ref_ns) * 1e-6
        raise RejectedChunk('out_of_order', f'{behind_ms:.0f} ms older than the last accepted')
    if chunk.end_ns < ros_now_ns:
        late_ms = (ros_now_ns - chunk.end_ns) * 1e-6
        raise RejectedChunk('late', f'its last step was due {late_ms:.0f} ms ago')
