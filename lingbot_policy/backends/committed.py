# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a new chunk before it is made: the steps that will be executed anyway."""

from dataclasses import dataclass, replace
from enum import StrEnum
import math

import numpy as np

from lingbot_policy.chunk import NS
from lingbot_policy.contract import PolicyContract
from lingbot_policy.policy import Prefix


class Continuation(StrEnum):
    """How a new chunk continues the committed plan; the last three continue nothing."""

    WITHIN_HORIZON = 'within_horizon'
    LONGER_THAN_HORIZON = 'longer_than_horizon'  # every step of the new chunk is known
    DELAY_BEYOND_OVERLAP = 'delay_beyond_overlap'  # the plan ends before the chunk can arrive
    DELAY_BEYOND_TRAINING = 'delay_beyond_training'  # the weights know how to continue less
    NO_PLAN = 'no_plan'
    PLAN_ENDED = 'plan_ended'
    DELAY_UNKNOWN = 'delay_unknown'  # the executor has measured none yet


# The chunk takes over between two steps: their velocities depend on one more on either side.
TAKEOVER_STEPS = 2


# What is kept of the plan before: an observation is at most so much older than the plan in force.
PAST_S = 0.5


@dataclass(frozen=True)
class CommittedSteps:
    """
    The committed plan at the times of a new chunk's steps.

    ``positions`` (horizon, dof), absolute, in robot units, repeat the plan's nearest where nothing
    is known; ``known`` (horizon,) says where; the first ``frozen`` steps are executed before the
    chunk arrives, or decide how fast it takes over. It continues the plan if ``is_continued``.
    """

    positions: np.ndarray
    known: np.ndarray
    frozen: int
    result: Continuation

    @property
    def is_continued(self) -> bool:
        return self.result in CONTINUED


CONTINUED = (
    Continuation.WITHIN_HORIZON,
    Continuation.LONGER_THAN_HORIZON,
    Continuation.DELAY_BEYOND_OVERLAP,
    Continuation.DELAY_BEYOND_TRAINING,
)


def with_past(plan: Prefix, before: Prefix | None) -> Prefix:
    """
    Return ``plan`` with what the one before it commanded until then, in front of it.

    An observation is mostly a little older than the plan in force: the first steps of its chunk
    were executed under the plan before.
    """
    per_s = plan.rate_hz * plan.speed
    if before is None or not len(before.positions) or not len(plan.positions) or not per_s:
        return plan
    earlier = np.arange(math.floor(PAST_S * per_s), 0, -1)
    began_s = (plan.start_ns - before.start_ns) / NS
    place = (began_s - earlier / per_s) * before.rate_hz * before.speed
    is_covered = (place >= -1e-6) & (place <= len(before.positions) - 1 + 1e-6)
    earlier = earlier[np.logical_and.accumulate(is_covered[::-1])[::-1]]
    if not len(earlier):
        return plan
    past = _sampled(before.positions, place[-len(earlier) :])
    return replace(
        plan,
        positions=np.concatenate((past, plan.positions)),
        start_ns=plan.start_ns - round(len(earlier) / per_s * NS),
    )


def continuation(
    prefix: Prefix | None, contract: PolicyContract, t_ref_ns: int, is_trained: bool = False
) -> Continuation:
    """Return how a chunk for the observation at ``t_ref_ns`` is to continue the plan."""
    if prefix is None or not len(prefix.positions):
        return Continuation.NO_PLAN
    return committed_steps(prefix, contract, t_ref_ns, is_trained).result


def committed_steps(
    prefix: Prefix, contract: PolicyContract, t_ref_ns: int, is_trained: bool = False
) -> CommittedSteps:
    """
    Return what the plan says of the steps of a chunk for the observation at ``t_ref_ns``.

    :param is_trained: the weights continue the plan as they learned it: so many steps at most.
    """
    # Chunk and plan are both executed at the speed of the plan: their steps keep their ratio.
    per_step = prefix.rate_hz / contract.rate_hz
    seen = (t_ref_ns - prefix.start_ns) / NS * prefix.rate_hz * prefix.speed
    place = seen + (np.arange(contract.horizon) + contract.first_step_offset) * per_step
    last = len(prefix.positions) - 1
    # A plan is kept in nanoseconds: its ends are hit to a millionth of a step.
    known = (place >= -1e-6) & (place <= last + 1e-6)
    delay_steps = prefix.delay_s * prefix.speed * contract.rate_hz - contract.first_step_offset
    executed = max(math.ceil(delay_steps - 1e-6), 0)
    most = contract.rtc_trained_steps if is_trained else contract.horizon
    result = _result(prefix, place, known, executed)
    reaches = result in (Continuation.WITHIN_HORIZON, Continuation.LONGER_THAN_HORIZON)
    if is_trained and reaches and executed > most:
        result = Continuation.DELAY_BEYOND_TRAINING
    frozen = min(executed + TAKEOVER_STEPS, most, contract.horizon)
    return CommittedSteps(_sampled(prefix.positions, place), known, frozen, result)


def _sampled(positions: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Return (places, dof) between the steps of ``positions``; beyond its ends those repeat."""
    steps = np.arange(len(positions))
    return np.stack([np.interp(place, steps, joint) for joint in np.asarray(positions).T], axis=1)


def _result(prefix: Prefix, place: np.ndarray, known: np.ndarray, executed: int) -> Continuation:
    last = len(prefix.positions) - 1
    if not known.any():
        return Continuation.PLAN_ENDED
    if prefix.delay_s <= 0.0:
        return Continuation.DELAY_UNKNOWN
    end = int(np.flatnonzero(known)[-1]) + 1
    if executed > end:
        return Continuation.DELAY_BEYOND_OVERLAP
    if last > place[-1]:
        return Continuation.LONGER_THAN_HORIZON
    return Continuation.WITHIN_HORIZON
