# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What every policy gives: a chunk of actions for an observation, under a sealed contract."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.contract import PolicyContract
from lingbot_policy.observation import Observation
from lingbot_policy.robot import Robot


@dataclass(frozen=True)
class Prefix:
    """
    What the executor will still command: its committed plan, and nothing guessed.

    ``positions`` is (steps, dof) in robot units; step i is due at ``start_ns`` + i / (``speed`` x
    ``rate_hz``). ``delay_s`` is what passes from an observation to the first command that it can
    cause, as the executor measures it; 0 where it has measured none yet.
    """

    positions: np.ndarray
    start_ns: int
    rate_hz: float
    speed: float = 1.0
    delay_s: float = 0.0


class Policy(Protocol):
    """A policy backend. ``infer`` runs on one worker thread and may keep state of its own."""

    contract: PolicyContract

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """Return the chunk for an observation, in robot units, stamped with its ``t_ref_ns``."""
        ...

    def reset(self) -> None:
        """Forget everything of the episode so far."""
        ...


POLICIES = {
    'hold': 'lingbot_policy.backends.hold:HoldPolicy',
    'expert': 'lingbot_policy.backends.expert:ExpertPolicy',
    'lingbot': 'lingbot_policy.backends.lingbot:LingBotPolicy',
}


def load_policy(
    name: str, robot: Robot, bundle: Path | None = None, seed: int = 0, **options
) -> Policy:
    """
    Return the policy called ``name`` for a robot; ``bundle`` is the folder of its weights.

    :param options: of that policy's own ``load``.
    :raises ValueError: if the name is unknown, or the bundle does not fit the robot.
    """
    if name not in POLICIES:
        raise ValueError(f'no policy {name!r}; known: {", ".join(POLICIES)}')
    module, _, attribute = POLICIES[name].partition(':')
    return getattr(import_module(module), attribute).load(robot, bundle, seed, **options)
