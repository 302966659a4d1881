# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What surrounds the small model: its sizes, tokenizer, statistics and contract."""

from collections.abc import Sequence
import json
from pathlib import Path
import shutil
import tempfile

import numpy as np
from tokenizers import decoders, models, pre_tokenizers, Tokenizer, trainers

from lingbot_policy.bundle import (
    CONFIG_FILE,
    config_text,
    STATS_FILE,
    TOKENIZER_FILE,
    WEIGHTS_FILE,
    write_bundle,
    write_shared,
)
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
SHARED = 'tiny_shared'


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


def tiny_contract(robot: Robot, known_steps: int = 0) -> PolicyContract:
    """Return the contract of weights which learned to continue so many steps of a plan."""
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
        rtc_trained_steps=known_steps,
    )


def write_tiny_bundle(
    folder: Path,
    contract: PolicyContract,
    model: LingBotVLA,
    tokenizer: Tokenizer,
    stats: str,
    readme: str,
) -> None:
    """Write the bundle; ``folder`` must not exist."""
    with tempfile.TemporaryDirectory() as place:
        files = _model_files(Path(place), model, tokenizer, readme)
        write_bundle(folder, contract, files | {STATS_FILE: stats})


def write_tiny_bundles(
    folder: Path,
    contracts: Sequence[PolicyContract],
    model: LingBotVLA,
    tokenizer: Tokenizer,
    stats: Sequence[str],
    readme: str,
) -> None:
    """Write ``tiny_<robot>`` for each contract, and what they share, into ``folder``, anew."""
    for name in (SHARED, *map(bundle_name, contracts)):
        shutil.rmtree(folder / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as place:
        write_shared(folder / SHARED, _model_files(Path(place), model, tokenizer, readme))
    for contract, text in zip(contracts, stats, strict=True):
        sharing = contract.model_copy(update={'shares': SHARED})
        write_bundle(folder / bundle_name(contract), sharing, {STATS_FILE: text})


def bundle_name(contract: PolicyContract) -> str:
    return f'tiny_{contract.robot}'


def _model_files(
    place: Path, model: LingBotVLA, tokenizer: Tokenizer, readme: str
) -> dict[str, Path | str]:
    """Return what belongs to the model and not to a robot; the weights are saved in ``place``."""
    save_weights(model, place / WEIGHTS_FILE)
    settings = {'tokenizer_class': 'PreTrainedTokenizerFast', 'pad_token': PAD}
    return {
        CONFIG_FILE: config_text(model.config),
        WEIGHTS_FILE: place / WEIGHTS_FILE,
        TOKENIZER_FILE: tokenizer.to_str(),
        'tokenizer_config.json': json.dumps(settings) + '\n',
        'README.md': readme,
    }
