# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How often a policy succeeds in simulation, replanning while it moves.

``python -m lingbot_training.tiny.evaluate --seeds 20`` runs the small bundle of the package.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
import logging
from pathlib import Path

import numpy as np

from lingbot_policy.backends.lingbot import LingBotPolicy
from lingbot_policy.observation import Observation
from lingbot_policy.policy import Policy
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.world import World

LOGGER = logging.getLogger(__name__)
TIME_LIMIT_S = 25.0
CHUNK_EVERY_S = 2 / 3


@dataclass(frozen=True)
class Trial:
    """Outcome of one episode; ``time_s`` is when it succeeded, or None."""

    seed: int
    instruction: str
    progress: float
    time_s: float | None


def run_trial(
    world: World,
    policy: Policy,
    seed: int,
    every: int | None = None,
    limit_s: float = TIME_LIMIT_S,
) -> Trial:
    """Return the outcome of one episode, with a new chunk each ``every`` steps; None: 2/3 s."""
    world.reset(seed)
    world.step(0.1)
    policy.reset()
    rate = world.robot.file.policy_rate_hz
    every = every or round(CHUNK_EVERY_S * rate)
    chunk, best = None, 0.0
    last = world.positions()
    most = world.robot.max_velocity / rate
    for tick in range(round(limit_s * rate)):
        if tick % every == 0:
            images = {name: world.render(name) for name in world.robot.cameras}
            stamp = round(world.time_s * 1e9)
            chunk = policy.infer(
                Observation(
                    stamp, images, dict.fromkeys(images, stamp), world.positions(),
                    world.instruction,
                )
            )  # fmt: skip
        target = chunk.positions[tick % every]
        last = last + np.clip(target - last, -most, most)
        world.command(last)
        world.step(1.0 / rate)
        best = max(best, world.progress())
        if world.success():
            return Trial(seed, world.instruction, 1.0, world.time_s)
    return Trial(seed, world.instruction, best, None)


def evaluate(
    robot_name: str, bundle: Path | None, task: str, seeds: Sequence[int], every: int | None = None
) -> list[Trial]:
    """Return one trial for each seed; seeds below 1000 were never trained on."""
    robot = load_robot(robot_name)
    policy = LingBotPolicy.load(robot, bundle)
    world = World(robot, task=task)
    trials = []
    for seed in seeds:
        trials.append(run_trial(world, policy, seed, every))
        LOGGER.info('%s', trials[-1])
    world.close()
    return trials


def summary(trials: Sequence[Trial]) -> str:
    """Return one line: successes, mean progress, mean time of the successes."""
    times = [t.time_s for t in trials if t.time_s is not None]
    progress = np.mean([t.progress for t in trials])
    mean_time = f', mean time of a success {np.mean(times):.1f} s' if times else ''
    return f'{len(times)} of {len(trials)} succeeded, mean progress {progress:.2f}{mean_time}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--robot', default='agilex_cobot_magic')
    parser.add_argument('--bundle', type=Path, help='default: the one in the package')
    parser.add_argument('--task', default='handover')
    parser.add_argument('--seeds', type=int, default=20, help='runs seeds 0 .. n-1')
    parser.add_argument('--every', type=int, help='steps between two chunks; default: 2/3 s')
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    trials = evaluate(
        arguments.robot, arguments.bundle, arguments.task, range(arguments.seeds), arguments.every
    )
    LOGGER.info('%s, %s: %s', arguments.robot, arguments.task, summary(trials))


if __name__ == '__main__':
    main()
