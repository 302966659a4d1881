# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Several robots in one data set and one model: each with its own slots, statistics, share."""

import numpy as np
import pytest
import torch

from lingbot_policy.action_space import action_space
from lingbot_policy.backends.lingbot import default_bundle
from lingbot_policy.bundle import load_bundle
from lingbot_policy.kinematics import table_height
from lingbot_policy.normalization import read_norm_stats
from lingbot_policy.robot import load_robot
from lingbot_training.tiny.bundle import SHARED, tiny_config, train_tokenizer
from lingbot_training.tiny.dataset import make_dataset
from lingbot_training.tiny.episodes import HORIZON, Samples, save_samples
from lingbot_training.tiny.fit import fit, Recipe

SIX, SEVEN = load_robot('arx_lift2'), load_robot('agibot_g1')  # joints of an arm
COUNTS = {SIX.name: 30, SEVEN.name: 10}
LIES = 0.018


def invented(robot) -> Samples:
    """Return samples of a robot that sways about its home, with one block on its table."""
    count = COUNTS[robot.name]
    rng = np.random.default_rng(0)
    blocks = np.full((count, 2, 3), np.nan, np.float32)
    blocks[:, 0] = (0.3, 0.2, table_height(robot) + LIES)
    states = robot.home + rng.normal(0.0, 0.05, (count, robot.dof))
    return Samples(
        views=rng.integers(256, size=(count, 3, 112, 112, 3), dtype=np.uint8),
        states=states.astype(np.float32),
        actions=(states[:, None] + rng.normal(0.0, 0.1, (count, HORIZON, robot.dof))).astype(
            np.float32
        ),
        blocks=blocks,
        target=np.zeros(count, int),
        episode=np.arange(count),
    )


@pytest.fixture(scope='module')
def recordings():
    return [(robot, invented(robot)) for robot in (SIX, SEVEN)]


@pytest.fixture(scope='module')
def data(recordings):
    tokenizer = train_tokenizer()
    return make_dataset(recordings, tiny_config(tokenizer.get_vocab_size()), tokenizer, 0)


def test_each_robot_has_its_own_slots_and_statistics(data, recordings, tmp_path):
    assert data.mask_RS.sum(dim=1).tolist() == [14, 16]
    for index, (robot, samples) in enumerate(recordings):
        rows = data.robots == index
        assert not data.actions[rows][..., ~data.mask_RS[index]].any()
        file = tmp_path / f'{robot.name}.json'
        file.write_text(data.stats[index])
        normalizer = read_norm_stats(file).robot_normalizer(
            'action', robot.is_gripper,
            {'arm.position': 'meanstd', 'effector.position': 'meanstd'},
        )  # fmt: skip
        space = action_space(robot, 'concat_groups', 16)
        targets = normalizer.denormalize(space.from_slots(data.actions[rows].numpy()))
        states = samples.states[:, None]
        np.testing.assert_allclose(
            targets + np.where(robot.is_gripper, 0.0, states), samples.actions, atol=1e-5
        )


def test_robots_are_drawn_evenly_however_many_samples_they_have(data):
    rows = data.draw(4000, torch.Generator().manual_seed(0))
    assert data.robots[rows].float().mean() == pytest.approx(0.5, abs=0.04)


def test_blocks_are_measured_from_each_robots_own_table(data):
    assert table_height(SIX) - table_height(SEVEN) > 0.2
    np.testing.assert_allclose(data.blocks[:, 0, 2], LIES, atol=1e-6)


def test_a_fit_to_several_robots_gives_each_a_bundle_and_all_one_model(recordings, tmp_path):
    agilex = default_bundle(load_robot('agilex_cobot_magic'))
    for robot, samples in recordings:
        save_samples(samples, tmp_path / f'{robot.name}.npz')
    recipe = Recipe(pretrain_steps=1, pretrain_batch=4, flow_steps=2, flow_batch=4)
    out = tmp_path / 'bundles'
    names = [robot.name for robot, _ in recordings]
    fit(names, out, recipe, samples_folder=tmp_path, start=agilex)
    bundles = [load_bundle(out / f'tiny_{robot.name}', robot) for robot, _ in recordings]
    assert {bundle.model_folder for bundle in bundles} == {out / SHARED}
    assert bundles[0].norm_stats.features['action']['mean'].shape == (HORIZON, SIX.dof)
    assert bundles[1].norm_stats.features['action']['mean'].shape == (HORIZON, SEVEN.dof)
    begun = load_bundle(agilex)
    assert bundles[0].config == begun.config
    tokenizer = (agilex / 'tokenizer.json').read_text()
    assert (out / SHARED / 'tokenizer.json').read_text() == tokenizer
    hashes = [bundle.contract.hashes['model.safetensors'] for bundle in (bundles[0], begun)]
    assert hashes[0] != hashes[1]
