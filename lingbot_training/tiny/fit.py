# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Fit the small LingBot-VLA to the scripted expert, from nothing to a bundle.

``python -m lingbot_training.tiny.fit --robot agilex_cobot_magic --out DIR``
"""

import argparse
from dataclasses import dataclass
import logging
from pathlib import Path
import shutil
import time

import numpy as np
import torch

from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.robot import load_robot
from lingbot_training.tiny.bundle import tiny_config, train_tokenizer, write_tiny_bundle
from lingbot_training.tiny.dataset import make_dataset
from lingbot_training.tiny.episodes import load_samples, record_episodes, save_samples
from lingbot_training.tiny.flow import cache_prefixes, train_flow
from lingbot_training.tiny.pretrain import place_error, pretrain

LOGGER = logging.getLogger(__name__)
FIRST_SEED = 1000  # evaluation uses the seeds below


@dataclass(frozen=True)
class Recipe:
    """Steps and batches of each part; the defaults are those of the bundle in the package."""

    episodes: int = 360
    pretrain_steps: int = 900
    pretrain_batch: int = 32
    flow_steps: int = 2000
    flow_batch: int = 96
    seed: int = 0


def fit(
    robot_name: str,
    out: Path,
    recipe: Recipe,
    samples_file: Path | None = None,
    readme: str = 'Made by python -m lingbot_training.tiny.fit\n',
) -> None:
    """
    Record episodes (or read them), train, and write the bundle to ``out``.

    The bundle is written anew now and then, so that an early one exists soon.
    """
    robot = load_robot(robot_name)
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    if samples_file is not None and samples_file.exists():
        samples = load_samples(samples_file)
    else:
        samples = record_episodes(robot_name, range(FIRST_SEED, FIRST_SEED + recipe.episodes))
        if samples_file is not None:
            save_samples(samples, samples_file)
    tokenizer = train_tokenizer()
    config = tiny_config(tokenizer.get_vocab_size())
    data = make_dataset(samples, robot, config, tokenizer, recipe.seed)
    LOGGER.info('%d samples of %d episodes', len(samples), len(np.unique(samples.episode)))
    model = LingBotVLA(config)

    def save() -> None:
        shutil.rmtree(out, ignore_errors=True)
        write_tiny_bundle(out, robot, model, tokenizer, data.stats, readme)

    def draw(size: int):
        return data.batch(data.draw(size, generator), generator)

    probes = pretrain(model, lambda: draw(recipe.pretrain_batch), recipe.pretrain_steps)
    error = place_error(model, probes, draw(256))
    LOGGER.info('block found within %.1f mm (median)', 1000 * np.median(error))
    save()
    cache = cache_prefixes(model, data)
    train_flow(
        model, data, cache, recipe.flow_steps, recipe.flow_batch, generator,
        every=500, on_pause=save,
    )  # fmt: skip
    save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--robot', default='agilex_cobot_magic')
    parser.add_argument('--out', type=Path, required=True, help='folder of the bundle')
    parser.add_argument('--samples', type=Path, help='.npz to keep the episodes in, or read from')
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    torch.set_num_threads(arguments.threads)
    start = time.monotonic()
    fit(arguments.robot, arguments.out, Recipe(), arguments.samples)
    LOGGER.info('written to %s after %.1f min', arguments.out, (time.monotonic() - start) / 60)


if __name__ == '__main__':
    main()
