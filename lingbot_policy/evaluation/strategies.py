# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Execution strategies side by side: the same policy, tasks and scripted delays."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path

import numpy as np

from lingbot_policy.contract import NotTrained
from lingbot_policy.evaluation.rollout import roll_out, Rollout
from lingbot_policy.execution.strategies import find_strategy, STRATEGIES
from lingbot_policy.policy import Policy
from lingbot_policy.reports.machine import hardware, versions
from lingbot_policy.sim.worlds import World

ALL = tuple(STRATEGIES)
SHOWN = {
    'policy_hz': ('chunks/s', '.1f'),
    'position_jump_median': ('jump median, rad', '.4f'),
    'position_jump_p95': ('p95', '.4f'),
    'velocity_jump_median': ('velocity jump median, rad/s', '.3f'),
    'velocity_jump_p95': ('p95', '.3f'),
    'jerk_rms': ('jerk rms, rad/s3', '.0f'),
    'holds': ('holds', '.0f'),
}


@dataclass(frozen=True)
class Comparison:
    """One strategy under one delay, over all seeds."""

    strategy: str
    delay_s: float
    rollouts: tuple[Rollout, ...]

    def mean(self, figure: str) -> float:
        """Return the mean over the episodes of a figure of the cadence report."""
        return float(np.mean([getattr(each.cadence, figure) for each in self.rollouts]))

    @property
    def progress(self) -> float:
        return float(np.mean([each.progress for each in self.rollouts]))


def scripted_delays(delay_s: float, count: int = 64, spread: float = 0.2) -> list[float]:
    """Return ``count`` delays around ``delay_s``, always the same; the first is five times it."""
    drawn = np.random.default_rng(0).uniform(1.0 - spread, 1.0 + spread, count) * delay_s
    drawn[0] = 5.0 * delay_s  # warm-up
    return drawn.tolist()


def compare(
    world: World,
    load: Callable[[str | None], Policy],
    names: Sequence[str],
    delays_s: Sequence[float],
    seeds: Sequence[int],
    seconds: float,
    said: Callable[[str], None] = lambda line: None,
) -> list[Comparison]:
    """
    Run every strategy under every delay.

    :param load: returns the policy, given the variant of its guidance or None.
    :param names: of strategies; those which need trained weights are left out where the policy's
        are not.
    """
    found = []
    for name in names:
        strategy = find_strategy(name)
        try:
            policy = load(strategy.guidances[0] if strategy.continues_plan else None)
            if strategy.trained:
                policy.contract.require_rtc_trained()
        except NotTrained as error:
            said(f'{name}: left out: {error}')
            continue
        for delay_s in delays_s:
            script = scripted_delays(delay_s)
            rollouts = tuple(
                roll_out(world, policy, name, script, seed, seconds, world.instruction)
                for seed in seeds
            )
            found.append(Comparison(name, delay_s, rollouts))
            said(row(found[-1]))
    return found


def row(comparison: Comparison) -> str:
    """Return a comparison as a row of the table of :func:`markdown`."""
    cells = [comparison.strategy, f'{1e3 * comparison.delay_s:.0f}']
    cells += [format(comparison.mean(key), form) for key, (_, form) in SHOWN.items()]
    return f'| {" | ".join([*cells, f"{comparison.progress:.0%}"])} |'


def markdown(comparisons: Sequence[Comparison]) -> str:
    """Return the table."""
    head = ['strategy', 'delay, ms', *(title for title, _ in SHOWN.values()), 'task']
    lines = [f'| {" | ".join(head)} |', f'|{"---|" * len(head)}']
    return '\n'.join([*lines, *(row(each) for each in comparisons)])


def write_json(comparisons: Sequence[Comparison], path: Path, **run: object) -> None:
    """Write every figure of every episode, and what they were made on."""
    rows = [
        {
            'strategy': each.strategy,
            'delay_s': each.delay_s,
            'progress': each.progress,
            'episodes': [asdict(rollout) for rollout in each.rollouts],
        }
        for each in comparisons
    ]
    result = {**run, 'machine': hardware(), 'versions': versions(), 'rows': rows}
    path.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
