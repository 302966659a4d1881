# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How a new chunk follows the plan in force, by name.

A strategy is a pure function: from the plan in force, the chunks which still cover now and the
time, it makes the plan from now on. What is commanded is always one plan.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lingbot_policy.chunk import ActionChunk, NS
from lingbot_policy.execution.interpolation import Trajectory


class Plan(NamedTuple):
    """
    What is commanded if no newer chunk comes: a trajectory over the steps of its newest chunk.

    Step s is due at ``anchor_ns`` + s ``step_ns`` of the execution clock.
    """

    trajectory: Trajectory
    anchor_ns: float
    step_ns: float
    t_ref_ns: int
    sequence: int

    @property
    def end_ns(self) -> float:
        return self.anchor_ns + self.trajectory.last * self.step_ns

    def step(self, now_ns: float) -> float:
        """Return the step due at ``now_ns``, with its fraction; below 0 before the first."""
        return (now_ns - self.anchor_ns) / self.step_ns

    def at(self, now_ns: float) -> tuple[np.ndarray, np.ndarray]:
        """Return positions (dof,) and velocities (dof,) per s of the execution clock."""
        positions, slopes = self.trajectory.at(self.step(now_ns))
        return positions, slopes * (NS / self.step_ns)

    def sampled(self, times_ns: np.ndarray) -> np.ndarray:
        """Return the positions at many times, (times, dof); beyond the ends those of the ends."""
        return self.trajectory.sampled((times_ns - self.anchor_ns) / self.step_ns)


def plan_of(chunk: ActionChunk, anchor_ns: float) -> Plan:
    """Return a chunk as the plan it would be on its own, its step 0 due at ``anchor_ns``."""
    trajectory = Trajectory(np.arange(chunk.horizon, dtype=float), chunk.positions)
    return Plan(trajectory, anchor_ns, chunk.step_ns, chunk.t_ref_ns, chunk.sequence)


@dataclass(frozen=True)
class StrategyOptions:
    """
    What strategies leave open.

    ``blend_steps`` is the length of the cross-fade in policy steps, ``ensemble_decay`` the m of
    the weights exp(-m age), 1/s.
    """

    blend_steps: float = 5.0
    ensemble_decay: float = 4.0


# Of: plan in force, plans of all accepted chunks that cover now (newest last), now, options.
Join = Callable[[Plan | None, Sequence[Plan], float, StrategyOptions], Plan]


def take_over(
    in_force: Plan | None, chunks: Sequence[Plan], now_ns: float, options: StrategyOptions
) -> Plan:
    """Return the newest chunk: it takes over at the step which is due now."""
    return chunks[-1]


def blend(
    in_force: Plan | None, chunks: Sequence[Plan], now_ns: float, options: StrategyOptions
) -> Plan:
    """
    Return a cross-fade of position and velocity from the plan in force into the newest chunk.

    Where the plan in force ends sooner than ``blend_steps``, the fade ends with it.
    """
    new = chunks[-1]
    if in_force is None:
        return new
    fade_ns = min(options.blend_steps * new.step_ns, in_force.end_ns - now_ns)
    times_ns = _knots(new, now_ns)
    if fade_ns <= 0.0 or len(times_ns) < 2:
        return new
    share = np.clip((times_ns - now_ns) / fade_ns, 0.0, 1.0)
    weight = (share * share * (3.0 - 2.0 * share))[:, None]  # its slope is 0 at both ends
    positions = weight * new.sampled(times_ns) + (1.0 - weight) * in_force.sampled(times_ns)
    return _continued(in_force, new, now_ns, times_ns, positions)


def ensemble(
    in_force: Plan | None, chunks: Sequence[Plan], now_ns: float, options: StrategyOptions
) -> Plan:
    """
    Return a cross-fade, as :func:`blend`, into the mean of what all chunks say of each step.

    The mean is weighted by exp(-m age).
    """
    new = chunks[-1]
    times_ns = _knots(new, now_ns)
    if in_force is None or len(times_ns) < 2:
        return new
    total = np.zeros((len(times_ns), 1))
    positions = 0.0
    for chunk in chunks:
        age_s = (new.t_ref_ns - chunk.t_ref_ns) / NS
        covered = times_ns <= chunk.end_ns + 0.01 * new.step_ns
        weight = np.exp(-options.ensemble_decay * age_s) * covered[:, None]
        positions = positions + weight * chunk.sampled(times_ns)
        total += weight
    steps = (times_ns - new.anchor_ns) / new.step_ns
    mean = new._replace(trajectory=Trajectory(steps, positions / total))
    return blend(in_force, [mean], now_ns, options)


@dataclass(frozen=True)
class Strategy:
    """
    How chunks follow each other, and what that asks of others.

    ``waits``: a chunk is seen only after the one before has ended. ``guidances``: how the policy
    makes a chunk continue the plan in force, the first of them by default.
    """

    join: Join
    waits: bool = False
    guidances: tuple[str, ...] = ('off',)

    @property
    def continues_plan(self) -> bool:
        """Whether a policy has to be told the plan in force."""
        return 'off' not in self.guidances

    @property
    def trained(self) -> bool:
        """Whether the weights must have learned to continue a plan."""
        return 'trained' in self.guidances


STRATEGIES = {
    'sync': Strategy(take_over, waits=True),
    'replace': Strategy(take_over),
    'ensemble': Strategy(ensemble),
    'blend': Strategy(blend),
    'rtc': Strategy(take_over, guidances=('full', 'identity_jacobian')),
    'rtc_trained': Strategy(take_over, guidances=('trained',)),
}


def find_strategy(name: str) -> Strategy:
    """
    Return the strategy of that name.

    :raises ValueError: naming the known ones.
    """
    if name not in STRATEGIES:
        raise ValueError(f'no execution strategy {name!r}; known: {", ".join(STRATEGIES)}')
    return STRATEGIES[name]


def _knots(plan: Plan, now_ns: float) -> np.ndarray:
    """Return now and the times of the plan's whole steps after it."""
    # A step due at once would ask for the whole difference in no time.
    first = max(0.0, np.floor(plan.step(now_ns) + 1e-3) + 1.0)
    steps = np.arange(first, plan.trajectory.last + 0.5)
    return np.concatenate([[now_ns], plan.anchor_ns + steps * plan.step_ns])


def _continued(
    in_force: Plan, new: Plan, now_ns: float, times_ns: np.ndarray, positions: np.ndarray
) -> Plan:
    """Return a plan which leaves the one in force at now, with its position and velocity."""
    here, velocities = in_force.at(now_ns)
    positions[0] = here
    steps = (times_ns - new.anchor_ns) / new.step_ns
    trajectory = Trajectory(steps, positions, velocities * (new.step_ns / NS))
    return new._replace(trajectory=trajectory)
