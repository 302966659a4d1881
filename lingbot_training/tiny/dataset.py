# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Recorded samples as the model's tensors, through the policy's own normalisation and slots.

Several robots stand in one data set, each with statistics and slots of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
import json

import numpy as np
import torch
from torch import Tensor

from lingbot_policy.action_space import action_space
from lingbot_policy.kinematics import table_height
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.preprocess import prompt_text
from lingbot_policy.normalization import NormStats
from lingbot_policy.robot import Robot
from lingbot_policy.sim.tasks import middle_of
from lingbot_training.tiny.bundle import statistics_text, tiny_contract
from lingbot_training.tiny.episodes import PHRASES, Samples
from lingbot_training.tiny.pretrain import Batch, patches_of

PROMPT_TOKENS = 24  # as many as the longest phrase has, to save work
PHRASE_SHARES = (0.6, 0.2, 0.2)
BLOCKS = ('red', 'blue')
LIES_BELOW_M = 0.03
APPROACH_WEIGHT = 3.0


@dataclass(frozen=True)
class Dataset:
    """
    All samples, N of them; views stay uint8 until they are drawn.

    ``tokens`` and ``valid`` are (phrases, colours, T), ``blocks`` (N, colours, 3) from the table's
    point between the arms, with NaN where there is none. ``robots`` (N,) tells whose sample it is,
    ``mask_RS`` the slots which a joint of that robot stands at, ``stats`` its statistics.
    """

    config: ModelConfig
    views: Tensor
    tokens: Tensor
    valid: Tensor
    phrases: Tensor
    targets: Tensor
    blocks: Tensor
    states: Tensor
    actions: Tensor
    robots: Tensor
    mask_RS: Tensor
    stats: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.states)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """
        Return ``count`` random rows, as many of each robot, more before the block is lifted.

        Only there the pictures decide where to go; later on the arms' joints tell nearly all.
        """
        place = self.blocks[torch.arange(len(self)), self.targets]
        lies = (place[:, 2] < LIES_BELOW_M) & (place[:, 1] > 0.0)
        weights = torch.where(lies, APPROACH_WEIGHT, 1.0)
        totals = torch.zeros(len(self.stats)).index_add_(0, self.robots, weights)
        weights = weights / totals[self.robots]
        return torch.multinomial(weights, count, replacement=True, generator=generator)

    def inputs(self, rows: Tensor, targets: Tensor | None = None) -> tuple[Tensor, ...]:
        """
        Return patches, view masks, tokens, token masks and states of some samples.

        :param targets: the colours to ask for; None: those of the episodes.
        """
        patches = patches_of(self.views[rows], self.config)
        masks = torch.ones(patches.shape[:2], dtype=torch.bool)
        which = self.phrases[rows], self.targets[rows] if targets is None else targets
        return patches, masks, self.tokens[which], self.valid[which], self.states[rows]

    def batch(self, rows: Tensor, generator: torch.Generator) -> Batch:
        """
        Return some samples for the first part of the training.

        Where there are two blocks either is asked for: only the instruction tells them apart.
        """
        targets = self.targets[rows]
        both = torch.isfinite(self.blocks[rows]).all(dim=-1).all(dim=-1)
        drawn = torch.randint(len(BLOCKS), (len(rows),), generator=generator)
        targets = torch.where(both, drawn, targets)
        return Batch(*self.inputs(rows, targets), self.views[rows], self.blocks[rows, targets])


def make_dataset(
    recordings: Sequence[tuple[Robot, Samples]], config: ModelConfig, tokenizer, seed: int
) -> Dataset:
    """Return the samples as tensors; every sample gets one of the phrases, mostly the first."""
    tokens, valid = _prompts(tokenizer)
    counts = [len(samples) for _, samples in recordings]
    phrases = np.random.default_rng(seed).choice(len(PHRASES), sum(counts), p=PHRASE_SHARES)
    states, actions, masks, stats = zip(
        *(_slots(robot, samples, config.max_action_dim) for robot, samples in recordings),
        strict=True,
    )
    blocks = [samples.blocks - _origin(robot) for robot, samples in recordings]
    return Dataset(
        config=config,
        views=torch.cat([torch.from_numpy(samples.views) for _, samples in recordings]),
        tokens=tokens,
        valid=valid,
        phrases=torch.from_numpy(phrases),
        targets=torch.cat([torch.from_numpy(samples.target) for _, samples in recordings]).long(),
        blocks=torch.from_numpy(np.concatenate(blocks)).float(),
        states=torch.from_numpy(np.concatenate(states)).float(),
        actions=torch.from_numpy(np.concatenate(actions)).float(),
        robots=torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
        mask_RS=torch.from_numpy(np.stack(masks)),
        stats=stats,
    )


def _origin(robot: Robot) -> np.ndarray:
    """Return the point (3,) on the table between the arms, from where blocks are laid."""
    return np.append(middle_of(robot), table_height(robot))


def _slots(
    robot: Robot, samples: Samples, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, str]:
    """Return a robot's states (N, S), actions (N, A, S), slots in use (S,) and statistics."""
    contract = tiny_contract(robot)
    space = action_space(robot, contract.layout, size)
    states = samples.states.astype(np.float64)
    targets = samples.actions - np.where(robot.is_gripper, 0.0, states)[:, None]
    stats_text = statistics_text(states, targets)
    stats = NormStats(
        {
            name: {key: np.array(value) for key, value in values.items()}
            for name, values in json.loads(stats_text)['norm_stats'].items()
        },
        'norm_stats.json',
    )
    formulas = contract.normalization
    state = stats.robot_normalizer('state', robot.is_gripper, formulas).normalize(states)
    action = stats.robot_normalizer('action', robot.is_gripper, formulas).normalize(targets)
    return space.to_slots(state), space.to_slots(action), space.mask, stats_text


def _prompts(tokenizer) -> tuple[Tensor, Tensor]:
    """Return tokens and masks (phrases, colours, T) of every sentence."""
    tokens = torch.zeros((len(PHRASES), len(BLOCKS), PROMPT_TOKENS), dtype=torch.int64)
    valid = torch.zeros(tokens.shape, dtype=torch.bool)
    for phrase, sentence in enumerate(PHRASES):
        for target, colour in enumerate(BLOCKS):
            ids = tokenizer.encode(prompt_text(sentence.format(colour))).ids
            tokens[phrase, target, : len(ids)] = torch.tensor(ids)
            valid[phrase, target, : len(ids)] = True
    return tokens, valid
