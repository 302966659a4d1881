# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds the small model: its sizes, tokenizer, statistics and contract."""

import json
from pathlib import Path
import tempfile

import numpy as np
from tokenizers import decoders, models, pre_tokenizers, Tokenizer, trainers

from lingbot_policy.action_space import action_space
from lingbot_policy.bundle import CONFIG_FILE, config_text, STATS_FILE, WEIGHTS_FILE, write_bundle
from lingbot_policy.contract import PolicyContract
from lingbot_policy.model.config import ExpertConfig, ModelConfig, VisionConfig
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import prompt_text
from lingbot_policy.model.weights import save_weights
from lingbot_policy.robot import Robot
from lingbot_policy.sim.tasks import COLOURS
from lingbot_training.tiny.episodes import HORIZON, PHRASES, VIEW

PAD = '<pad>'
PROMPT_LENGTH = 32
FORMULAS = {'arm.position': 'meanstd', 'effector.position': 'meanstd'}
LEAST_STD = 0.01


def tiny_config(vocabulary: int) -> ModelConfig:
    """Return the sizes: 1.9 million parameters, three views of 112 px, learned positions."""
    attention = {'layers': 4, 'heads': 4, 'kv_heads': 2, 'head_dim': 32}
    return ModelConfig(
        vision=VisionConfig(
            width=80,
            layers=2,
            heads=4,
            mlp=160,
            full_attention_layers=(0, 1),
            temporal_patch_size=1,
        ),
        vlm=ExpertConfig(width=128, mlp=256, **attention),
        expert=ExpertConfig(width=128, mlp=256, **attention),
        vocabulary=vocabulary,
        image_size=VIEW,
        prompt_length=PROMPT_LENGTH,
        horizon=HORIZON,
        max_action_dim=16,
        view_patch_positions=True,
    )


def train_tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer trained on the task's sentences."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    sentences = [prompt_text(p.format(colour)) for p in PHRASES for colour in COLOURS]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=[PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer


def statistics_text(states: np.ndarray, actions: np.ndarray) -> str:
    """Return norm_stats.json: states (N, dof); actions (N, steps, dof) for each step."""
    features = {}
    for name, values in (('observation.state', states), ('action', actions)):
        mean = values.mean(axis=0)
        std = np.maximum(values.std(axis=0), LEAST_STD)
        features[name] = {'mean': mean.round(6).tolist(), 'std': std.round(6).tolist()}
    return json.dumps({'norm_stats': features}) + '\n'


def tiny_contract(robot: Robot) -> PolicyContract:
    return PolicyContract(
        policy='lingbot_tiny',
        robot=robot.name,
        joints=robot.joints,
        cameras=tuple(robot.cameras),
        horizon=HORIZON,
        rate_hz=robot.file.policy_rate_hz,
        layout='concat_groups',
        relative_arms=True,
        normalization=FORMULAS,
    )


def slots_of(robot: Robot) -> np.ndarray:
    return action_space(robot, 'concat_groups', 16).slots


def write_tiny_bundle(
    folder: Path, robot: Robot, model: LingBotVLA, tokenizer: Tokenizer, stats: str, readme: str
) -> None:
    """Write the bundle; ``folder`` must not exist."""
    with tempfile.TemporaryDirectory() as place:
        weights = Path(place) / WEIGHTS_FILE
        save_weights(model, weights)
        settings = {'tokenizer_class': 'PreTrainedTokenizerFast', 'pad_token': PAD}
        files = {
            CONFIG_FILE: config_text(model.config),
            WEIGHTS_FILE: weights,
            STATS_FILE: stats,
            'tokenizer.json': tokenizer.to_str(),
            'tokenizer_config.json': json.dumps(settings) + '\n',
            'README.md': readme,
        }
        write_bundle(folder, tiny_contract(robot), files)
