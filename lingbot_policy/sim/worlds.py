# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The worlds a robot can be simulated in, by name."""

from importlib import import_module
from typing import Protocol

import numpy as np

from lingbot_policy.robot import Robot


class World(Protocol):
    """What a simulated robot needs of its world; vectors are (dof,) in robot units."""

    time_s: float

    def reset(self, seed: int) -> None: ...

    def command(self, positions: np.ndarray) -> None: ...

    def step(self, dt_s: float) -> None: ...

    def positions(self) -> np.ndarray: ...

    def render(self, camera: str) -> np.ndarray: ...

    def progress(self) -> float: ...

    def success(self) -> bool: ...

    def close(self) -> None: ...


WORLDS = {
    'mujoco': 'lingbot_policy.sim.world:World',
    'kinematic': 'lingbot_policy.sim.stub:KinematicWorld',
}


def make_world(
    name: str, robot: Robot, task: str, seed: int, image_size: tuple[int, int]
) -> World:
    """
    Return the world called ``name``; ``image_size`` is (width, height) in pixels.

    :raises ValueError: for an unknown name, or where its graphics cannot start.
    """
    if name not in WORLDS:
        raise ValueError(f'no world {name!r}; known: {", ".join(WORLDS)}')
    module, _, attribute = WORLDS[name].partition(':')
    return getattr(import_module(module), attribute)(robot, task, seed, image_size)
