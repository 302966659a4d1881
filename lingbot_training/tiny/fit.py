# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Fit the small LingBot-VLA to the scripted expert: episodes in, bundles out.

``python -m lingbot_training.tiny.fit --robots agilex_cobot_magic --out DIR`` makes the bundle of
one robot, from nothing; with several robots, ``tiny_<robot>`` for each and one copy of what they
share. ``--from BUNDLE`` starts from the weights of a bundle.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
import logging
from pathlib import Path
import shutil
import time

import numpy as np
from tokenizers import Tokenizer
import torch

from lingbot_policy.bundle import load_bundle, TOKENIZER_FILE
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.weights import load_model
from lingbot_policy.robot import load_robot
from lingbot_training.tiny.bundle import (
    tiny_config,
    tiny_contract,
    train_tokenizer,
    write_tiny_bundle,
    write_tiny_bundles,
)
from lingbot_training.tiny.dataset import make_dataset
from lingbot_training.tiny.episodes import load_samples, record_episodes, Samples, save_samples
from lingbot_training.tiny.flow import cache_prefixes, train_flow
from lingbot_training.tiny.pretrain import place_error, pretrain

LOGGER = logging.getLogger(__name__)
FIRST_SEED = 1000  # evaluation uses the seeds below


@dataclass(frozen=True)
class Recipe:
    """
    Episodes of each robot, steps and batches of each part; the defaults are for one robot.

    Of each ``thin`` samples one is kept: 20 000 samples take 6 GB of memory. ``known_steps``: most
    steps of a plan under way which the weights learn to continue, 0 for none.
    """

    episodes: int = 360
    thin: int = 1
    pretrain_steps: int = 900
    pretrain_batch: int = 32
    flow_steps: int = 2000
    flow_batch: int = 96
    flow_rate: float = 2e-3
    known_steps: int = 20
    seed: int = 0
    workers: int = 2


def fit(
    robot_names: Sequence[str],
    out: Path,
    recipe: Recipe,
    samples_folder: Path | None = None,
    start: Path | None = None,
    readme: str = 'Made by python -m lingbot_training.tiny.fit\n',
) -> None:
    """
    Record episodes (or read them), train, and write the bundle, or one for each robot, to ``out``.

    They are written anew now and then, so that early ones exist soon.

    :param start: bundle whose weights to begin with; None: begin with random ones.
    """
    robots = [load_robot(name) for name in robot_names]
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    model, tokenizer = _beginning(start)
    recordings = [(robot, _recorded(robot.name, recipe, samples_folder)) for robot in robots]
    for robot, samples in recordings:
        episodes = len(np.unique(samples.episode))
        LOGGER.info('%s: %d samples of %d episodes', robot.name, len(samples), episodes)
    data = make_dataset(recordings, model.config, tokenizer, recipe.seed)
    del recordings

    contracts = [tiny_contract(robot, recipe.known_steps) for robot in robots]

    def save() -> None:
        if len(robots) > 1:
            write_tiny_bundles(out, contracts, model, tokenizer, data.stats, readme)
        else:
            shutil.rmtree(out, ignore_errors=True)
            write_tiny_bundle(out, contracts[0], model, tokenizer, data.stats[0], readme)

    def draw(size: int):
        return data.batch(data.draw(size, generator), generator)

    if recipe.pretrain_steps:
        probes = pretrain(model, lambda: draw(recipe.pretrain_batch), recipe.pretrain_steps)
        error = place_error(model, probes, draw(256))
        LOGGER.info('block found within %.1f mm (median)', 1000 * np.median(error))
        save()
    cache = cache_prefixes(model, data)
    train_flow(
        model, data, cache, recipe.flow_steps, recipe.flow_batch, generator,
        recipe.flow_rate, recipe.known_steps, every=500, on_pause=save,
    )  # fmt: skip
    save()


def _beginning(start: Path | None) -> tuple[LingBotVLA, Tokenizer]:
    """Return model and tokenizer of a bundle, or new ones."""
    if start is None:
        tokenizer = train_tokenizer()
        return LingBotVLA(tiny_config(tokenizer.get_vocab_size())), tokenizer
    bundle = load_bundle(start)
    tokenizer = Tokenizer.from_file(str(bundle.model_folder / TOKENIZER_FILE))
    return load_model(bundle.model_folder, bundle.config), tokenizer


def _recorded(robot_name: str, recipe: Recipe, folder: Path | None) -> Samples:
    """Return the robot's samples from ``folder``, or record them, and keep them there."""
    file = None if folder is None else folder / f'{robot_name}.npz'
    if file is not None and file.exists():
        return _thinned(load_samples(file), recipe.thin)
    seeds = range(FIRST_SEED, FIRST_SEED + recipe.episodes)
    samples = record_episodes(robot_name, seeds, recipe.workers)
    if file is not None:
        folder.mkdir(parents=True, exist_ok=True)
        save_samples(samples, file)
    return _thinned(samples, recipe.thin)


def _thinned(samples: Samples, thin: int) -> Samples:
    return samples.take(np.arange(0, len(samples), thin))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--robots', nargs='+', default=['agilex_cobot_magic'])
    parser.add_argument('--out', type=Path, required=True, help='folder of the bundle or bundles')
    parser.add_argument('--samples', type=Path, help='folder of recorded episodes, kept or read')
    parser.add_argument('--from', type=Path, dest='start', help='bundle to take the weights of')
    parser.add_argument('--threads', type=int, default=2)
    for field in fields(Recipe):
        name = field.name.replace('_', '-')
        parser.add_argument(f'--{name}', type=type(field.default), default=field.default)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    torch.set_num_threads(arguments.threads)
    recipe = Recipe(**{field.name: getattr(arguments, field.name) for field in fields(Recipe)})
    begun = time.monotonic()
    fit(arguments.robots, arguments.out, recipe, arguments.samples, arguments.start)
    LOGGER.info('written to %s after %.1f min', arguments.out, (time.monotonic() - begun) / 60)


if __name__ == '__main__':
    main()
