# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded samples as the model's tensors, through the policy's own normalisation and slots."""

from dataclasses import dataclass
import json

import numpy as np
import torch
from torch import Tensor

from lingbot_policy.action_space import action_space
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.preprocess import prompt_text
from lingbot_policy.normalization import NormStats
from lingbot_policy.robot import Robot
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

    ``tokens`` and ``valid`` are (phrases, colours, T), ``blocks`` (N, colours, 3) with NaN where
    there is none; ``mask_S`` tells the slots which a joint stands at.
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
    mask_S: Tensor
    stats: str

    def __len__(self) -> int:
        return len(self.states)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """
        Return ``count`` random rows, those before the block is lifted more often.

        Only there the pictures decide where to go; later on the arms' joints tell nearly all.
        """
        place = self.blocks[torch.arange(len(self)), self.targets]
        lies = (place[:, 2] < LIES_BELOW_M) & (place[:, 1] > 0.0)
        weights = torch.where(lies, APPROACH_WEIGHT, 1.0)
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
    samples: Samples, robot: Robot, config: ModelConfig, tokenizer, seed: int
) -> Dataset:
    """Return the samples as tensors; every sample gets one of the phrases, mostly the first."""
    contract = tiny_contract(robot)
    space = action_space(robot, contract.layout, config.max_action_dim)
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
    tokens, valid = _prompts(tokenizer)
    phrases = np.random.default_rng(seed).choice(len(PHRASES), len(samples), p=PHRASE_SHARES)
    return Dataset(
        config=config,
        views=torch.from_numpy(samples.views),
        tokens=tokens,
        valid=valid,
        phrases=torch.from_numpy(phrases),
        targets=torch.from_numpy(samples.target).long(),
        blocks=torch.from_numpy(samples.blocks).float(),
        states=torch.from_numpy(space.to_slots(state)).float(),
        actions=torch.from_numpy(space.to_slots(action)).float(),
        mask_S=torch.from_numpy(space.mask),
        stats=stats_text,
    )


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
