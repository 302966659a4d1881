# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Tasks of the simulation: what lies on the table, what is asked, and when it is done.

Places are in the robot's frame, measured from the middle between both arm bases.
"""

from dataclasses import dataclass

import numpy as np

from lingbot_policy.kinematics import table_height
from lingbot_policy.robot import Robot

COLOURS = {'red': (0.85, 0.10, 0.08), 'blue': (0.10, 0.20, 0.85), 'yellow': (0.90, 0.75, 0.05)}
ZONE_COLOUR = (0.15, 0.60, 0.25)
BLOCK_SIZE = (0.16, 0.036, 0.036)
ZONE_CENTRE = (0.33, -0.20)
ZONE_SIZE = (0.24, 0.14)
PICK_X = (0.28, 0.38)
PICK_Y = (0.12, 0.28)
MAX_YAW = 0.15


@dataclass(frozen=True)
class Task:
    """A hand-over: blocks of ``colours`` lie on the left, one of them has to get to the zone."""

    name: str
    colours: tuple[str, ...]

    def instruction(self, target: int) -> str:
        return f'hand the {self.colours[target]} block over and place it in the zone'


TASKS = {
    'handover': Task('handover', ('red',)),
    'handover_two': Task('handover_two', ('red', 'blue')),
}


@dataclass(frozen=True)
class Layout:
    """Where the blocks lie: (n, 3) x, y, yaw in the robot's frame; ``target`` is the one asked."""

    blocks: np.ndarray
    target: int
    table_z: float
    zone: np.ndarray
    instruction: str


@dataclass(frozen=True)
class Facts:
    """What a judge needs of one moment: the asked block, and which hands touch it."""

    position: np.ndarray
    speed: float
    touched: frozenset[str]


def find_task(name: str) -> Task:
    """
    Return the task called ``name``.

    :raises ValueError: if there is none.
    """
    if name not in TASKS:
        raise ValueError(f'no task {name!r}; known: {", ".join(TASKS)}')
    return TASKS[name]


def middle_of(robot: Robot) -> np.ndarray:
    """Return the point (2,) between both arm bases."""
    arms = robot.file.geometry.arms
    return np.mean([arms[side].base[:2] for side in ('left', 'right')], axis=0)


def draw_layout(robot: Robot, task: Task, seed: int) -> Layout:
    """Return the layout of an episode; the same seed gives the same one."""
    rng = np.random.default_rng(seed)
    count = len(task.colours)
    middle = middle_of(robot)
    # Several blocks lie in lanes side by side, in random order, with room for a hand between.
    width = (PICK_Y[1] - PICK_Y[0] + 0.13) / count
    lanes = PICK_Y[0] + width * rng.permutation(count)
    ys = lanes + rng.uniform(0.0, max(0.0, width - 0.13), count)
    blocks = np.column_stack(
        [
            middle[0] + rng.uniform(*PICK_X, count),
            middle[1] + ys,
            rng.uniform(-MAX_YAW, MAX_YAW, count),
        ]
    )
    target = int(rng.integers(count))
    zone = middle + np.array(ZONE_CENTRE)
    return Layout(blocks, target, table_height(robot), zone, task.instruction(target))


class HandoverJudge:
    """Follows one episode: lifted by the left hand, taken by the right, placed in the zone."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._reached = 0
        self.success = False

    @property
    def progress(self) -> float:
        """Return the share of the task's checkpoints reached, 0 .. 1."""
        return 1.0 if self.success else self._reached / 5.0

    def update(self, facts: Facts) -> None:
        lift = facts.position[2] - self._layout.table_z - BLOCK_SIZE[2] / 2.0
        aloft = lift > 0.03
        done = (
            'left' in facts.touched,
            aloft and 'left' in facts.touched,
            aloft and facts.touched == {'left', 'right'},
            aloft and facts.touched == {'right'},
        )
        while self._reached < len(done) and done[self._reached]:
            self._reached += 1
        away = np.abs(facts.position[:2] - self._layout.zone)
        self.success = (
            self._reached == len(done)
            and not facts.touched
            and lift < 0.01
            and facts.speed < 0.02
            and bool(np.all(away < np.array(ZONE_SIZE) / 2.0))
        )
