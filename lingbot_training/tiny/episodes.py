# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Expert episodes in simulation, with disturbances, as arrays to train on.

Now and then the arms are pushed off the plan; the label is always what brings them back to it,
so that a policy learns to correct its own errors. Only episodes which succeed are kept.
"""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
import math
import multiprocessing
import os
from pathlib import Path

import numpy as np
from PIL import Image

from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import OutOfReach, plan_handover
from lingbot_policy.sim.world import World

VIEW = 112
HORIZON = 50
EVERY_S = 1 / 6  # between two samples
PUSH_RAD = 0.05
PUSH_EVERY_S = 1.5  # on average
PUSH_S = 0.2  # how long a push lasts
RETURN_S = 0.26  # time in which a push fades to 1/e

PHRASES = (
    'hand the {} block over and place it in the zone',
    'pass the {} block to the right hand and put it in the zone',
    'give the {} block to the other arm, then place it in the green zone',
)


@dataclass(frozen=True)
class Samples:
    """
    Observations with what to do: N samples of V views, A steps and ``dof`` joints.

    ``blocks`` are the centres (N, 2, 3) of the red and the blue block, NaN where there is none;
    ``target`` says which one is asked for.
    """

    views: np.ndarray
    states: np.ndarray
    actions: np.ndarray
    blocks: np.ndarray
    target: np.ndarray
    episode: np.ndarray

    def __len__(self) -> int:
        return len(self.states)

    def take(self, rows: np.ndarray) -> 'Samples':
        return Samples(*(getattr(self, f.name)[rows] for f in fields(self)))


def save_samples(samples: Samples, path: Path) -> None:
    np.savez(path, **{f.name: getattr(samples, f.name) for f in fields(samples)})


def load_samples(path: Path) -> Samples:
    with np.load(path) as arrays:
        return Samples(**arrays)


def joined(parts: Sequence[Samples]) -> Samples:
    return Samples(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Samples))
    )


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Return a picture at the model's size, resized as the policy does it."""
    return np.asarray(Image.fromarray(picture).resize((VIEW, VIEW), Image.Resampling.BILINEAR))


def record_episodes(robot_name: str, seeds: Sequence[int], workers: int) -> Samples:
    """Return the samples of the episodes with these seeds, recorded by so many processes."""
    shares = [list(seeds[i::workers]) for i in range(workers)]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        parts = list(pool.map(_record_share, [robot_name] * workers, shares))
    return joined([part for share in parts for part in share])


def _record_share(robot_name: str, seeds: Sequence[int]) -> list[Samples]:
    os.nice(5)
    robot = load_robot(robot_name)
    worlds = {name: World(robot, task=name) for name in ('handover', 'handover_two')}
    parts = []
    for seed in seeds:
        # Two blocks in two of three episodes: only there the instruction matters.
        world = worlds['handover' if seed % 3 == 0 else 'handover_two']
        part = record_episode(robot, world, seed)
        if part is not None:
            parts.append(part)
    return parts


def record_episode(robot: Robot, world: World, seed: int) -> Samples | None:
    """Return one episode, or None if it failed."""
    rng = np.random.default_rng([seed, 1])
    world.reset(seed)
    start = robot.home + rng.normal(0.0, 0.08, robot.dof) * rng.uniform(0.0, 1.0)
    world.place(np.clip(start, robot.lower, robot.upper))
    world.step(0.1)
    layout = world.layout
    try:
        block = Block(*layout.blocks[layout.target])
        plan = plan_handover(robot, block, world.positions())
    except OutOfReach:
        return None
    offsets = _pushes(robot, len(plan), rng)
    fade = _fade(robot) ** np.arange(HORIZON)[:, None]
    rows: list[dict] = []
    every = max(1, round(EVERY_S * robot.file.policy_rate_hz))
    phase = int(rng.integers(every))
    for step in range(len(plan)):
        if step % every == phase:
            left = offsets[step] * fade
            ahead = plan[np.minimum(step + np.arange(HORIZON), len(plan) - 1)]
            rows.append(_sample(robot, world, np.clip(ahead + left, robot.lower, robot.upper)))
        world.command(plan[step] + offsets[step])
        world.step(1.0 / robot.file.policy_rate_hz)
    if not world.success():
        return None
    arrays = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    return Samples(**arrays, episode=np.full(len(rows), seed))


def _pushes(robot: Robot, steps: int, rng: np.random.Generator) -> np.ndarray:
    """Return how far the command is pushed off the plan at each step, (steps, dof)."""
    rate = robot.file.policy_rate_hz
    lasts = max(1, round(PUSH_S * rate))
    offsets = np.zeros((steps, robot.dof))
    push, onset = np.zeros(robot.dof), 0
    for step in range(1, steps):
        if rng.random() < 1.0 / (PUSH_EVERY_S * rate):
            push = np.where(robot.is_gripper, 0.0, rng.normal(0.0, PUSH_RAD, robot.dof))
            push *= rng.uniform(0.2, 1.0)
            onset = lasts
        offsets[step] = offsets[step - 1] * _fade(robot)
        if onset > 0:
            offsets[step] += push / lasts
            onset -= 1
    return offsets


def _fade(robot: Robot) -> float:
    """Return the share of a push which is left after each step."""
    return math.exp(-1.0 / (RETURN_S * robot.file.policy_rate_hz))


def _sample(robot: Robot, world: World, actions: np.ndarray) -> dict[str, np.ndarray]:
    layout = world.layout
    blocks = np.full((2, 3), np.nan, np.float32)
    for index in range(len(layout.blocks)):
        blocks[index] = world.block_position(index)
    return {
        'views': np.stack([shrunk(world.render(name)) for name in robot.cameras]),
        'states': world.positions().astype(np.float32),
        'actions': actions.astype(np.float32),
        'blocks': blocks,
        'target': np.array(layout.target),
    }
