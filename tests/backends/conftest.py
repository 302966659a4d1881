# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A folder of tiny released weights with everything around it, as a download would lie there."""

from dataclasses import dataclass
import json
from pathlib import Path
import shutil

import numpy as np
import pytest
from tokenizers import decoders, models, pre_tokenizers, Tokenizer, trainers
from transformers import PreTrainedTokenizerFast
import yaml

from lingbot_policy.import_facts import Choices
from lingbot_policy.robot import load_robot, Robot

# Weights of a tiny model which Robbyant/lingbot-vla @ 61ef6b1 ran itself.
TINY_WEIGHTS = Path(__file__).parents[1] / 'data' / 'oracle' / 'released'
SENTENCES = ['pick up the red cup', 'fold the towel and put it into the basket', 'open the drawer']


@dataclass(frozen=True)
class Download:
    """``weights`` lies three folders below ``cli``; statistics and tokenizer lie apart."""

    weights: Path
    cli: Path
    stats: Path
    tokenizer: Path

    def choices(self, **changes) -> Choices:
        known = {'layout': 'raw_14', 'stats': self.stats, 'tokenizer': self.tokenizer}
        return Choices(**{**known, **changes})

    def edit_cli(self, section: str, **fields) -> None:
        content = yaml.safe_load(self.cli.read_text())
        content[section].update(fields)
        self.cli.write_text(yaml.safe_dump(content))

    def edit_stats(self, feature: str, **values) -> None:
        content = json.loads(self.stats.read_text())
        content['norm_stats'].setdefault(feature, {}).update(
            {name: np.asarray(value).tolist() for name, value in values.items()}
        )
        self.stats.write_text(json.dumps(content))


@pytest.fixture(scope='session')
def robot() -> Robot:
    return load_robot('agilex_cobot_magic')


@pytest.fixture
def download(tmp_path: Path) -> Download:
    weights = tmp_path / 'run' / 'checkpoints' / 'global_step_9' / 'hf_ckpt'
    weights.mkdir(parents=True)
    for name in ('config.json', 'model.safetensors'):
        shutil.copyfile(TINY_WEIGHTS / name, weights / name)
    cli = tmp_path / 'run' / 'lingbotvla_cli.yaml'
    cli.write_text(yaml.safe_dump(_command_line()))
    stats = tmp_path / 'robotwin.json'
    stats.write_text(json.dumps({'norm_stats': _statistics(), 'count': 1000}))
    tokenizer = tmp_path / 'qwen'
    _tokenizer().save_pretrained(tokenizer)
    return Download(weights, cli, stats, tokenizer)


def _command_line() -> dict:
    """Return the sections of a training command line of early 2026 (RoboTwin)."""
    return {
        'model': {'post_training': True, 'adanorm_time': True, 'old_adanorm': True},
        'data': {'data_name': 'robotwin_5_new', 'norm_type': 'bounds_99_woclip'},
        'train': {
            'tokenizer_max_length': 24,
            'action_dim': 14,
            'max_action_dim': 75,
            'max_state_dim': 75,
        },
    }


def _statistics() -> dict:
    """Return statistics of four features; every dim has its own numbers."""
    features = {}
    for side, shift in (('action', 0.0), ('observation.state', 0.1)):
        for group, dims in (('arm.position', 12), ('effector.position', 2)):
            middle = shift + np.linspace(-0.5, 0.5, dims)
            features[f'{side}.{group}'] = {
                'mean': middle.tolist(),
                'std': np.linspace(0.5, 1.0, dims).tolist(),
                'q01': (middle - np.linspace(1.0, 2.0, dims)).tolist(),
                'q99': (middle + np.linspace(1.0, 1.5, dims)).tolist(),
            }
    return features


def _tokenizer() -> PreTrainedTokenizerFast:
    """Return a byte-level tokenizer with Qwen's form and few enough tokens for the tiny model."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=['<|endoftext|>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token='<|endoftext|>')
