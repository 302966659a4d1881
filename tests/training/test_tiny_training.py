# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The parts of the small model's training: labels, inputs, losses, and the kept prefix."""

import numpy as np
import pytest
import torch

from lingbot_policy.model.flow_matching import training_pair
from lingbot_policy.model.kv_cache import KVGraph
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import (
    load_tokenizer,
    patches_from_views,
    tokens_from_instruction,
)
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.world import World
from lingbot_training.tiny.bundle import (
    tiny_config,
    tiny_contract,
    train_tokenizer,
    write_tiny_bundle,
)
from lingbot_training.tiny.dataset import make_dataset
from lingbot_training.tiny.episodes import HORIZON, PHRASES, record_episode
from lingbot_training.tiny.flow import cache_prefixes, train_flow
from lingbot_training.tiny.pretrain import colours_per_token, patches_of, pretrain


@pytest.fixture(scope='module')
def robot():
    return load_robot('agilex_cobot_magic')


@pytest.fixture(scope='module')
def samples(robot):
    world = World(robot, task='handover_two')
    found = record_episode(robot, world, 1001)
    world.close()
    assert found is not None
    return found


@pytest.fixture(scope='module')
def tokenizer():
    return train_tokenizer()


@pytest.fixture(scope='module')
def data(samples, robot, tokenizer):
    torch.manual_seed(0)
    config = tiny_config(tokenizer.get_vocab_size())
    return make_dataset([(robot, samples)], config, tokenizer, 0)


def test_an_episode_records_what_the_robot_saw_and_should_do(samples, robot):
    count = len(samples)
    assert count > 60
    assert samples.views.shape == (count, 3, 112, 112, 3)
    assert samples.actions.shape == (count, HORIZON, robot.dof)
    assert (samples.actions >= robot.lower - 1e-6).all()
    assert (samples.actions <= robot.upper + 1e-6).all()
    arms = ~robot.is_gripper
    first = np.abs(samples.actions[:, 0, arms] - samples.states[:, arms])
    assert np.quantile(first, 0.95) < 0.1  # a label starts where the arm is


def test_labels_of_pushed_arms_lead_back_to_the_plan(samples, robot):
    arms = ~robot.is_gripper
    steps = np.abs(np.diff(samples.actions[:, :, arms], axis=1)) * robot.file.policy_rate_hz
    assert steps.max() > 0.9  # faster than the plan's 0.8 of 1.5 rad/s now and then
    np.testing.assert_allclose(samples.actions[-1, -1, arms], robot.home[arms], atol=0.02)


def test_patches_are_those_of_the_policys_own_preprocessing(data, samples):
    ours = patches_of(data.views[:3], data.config)
    for index in range(3):
        theirs, present = patches_from_views(list(samples.views[index]), data.config)
        torch.testing.assert_close(ours[index], theirs)
        assert present.all()


def test_the_tokens_are_those_which_the_policy_makes(data, samples, robot, tokenizer, tmp_path):
    contract, model = tiny_contract(robot), LingBotVLA(data.config)
    write_tiny_bundle(tmp_path / 'b', contract, model, tokenizer, data.stats[0], 'x')
    loaded = load_tokenizer(tmp_path / 'b')
    colour = ('red', 'blue')[int(samples.target[0])]
    known = set()
    for phrase in PHRASES:
        tokens, valid = tokens_from_instruction(phrase.format(colour), loaded, 32)
        known.add(tuple(tokens[valid].tolist()))
    assert len(known) == len(PHRASES)
    _, _, tokens, valid, _ = data.inputs(torch.arange(20))
    assert {tuple(t[v].tolist()) for t, v in zip(tokens, valid, strict=True)} <= known


def test_either_of_two_blocks_is_asked_for_with_its_own_words(data, samples):
    generator = torch.Generator().manual_seed(0)
    rows = torch.zeros(30, dtype=torch.int64)
    batch = data.batch(rows, generator)
    red = batch.place_B3[:, 1] == float(samples.blocks[0, 0, 1])
    assert 5 < red.sum() < 25
    assert len(torch.unique(batch.tokens_BT[red], dim=0)) == 1
    assert (batch.tokens_BT[red][0] != batch.tokens_BT[~red][0]).sum() == 1


def test_samples_before_the_lift_are_drawn_more_often(data, samples):
    rows = data.draw(4000, torch.Generator().manual_seed(0)).numpy()
    place = samples.blocks[np.arange(len(samples)), samples.target]
    lies = (place[:, 2] < 0.03) & (place[:, 1] > 0)
    share = lies.mean()
    assert lies[rows].mean() == pytest.approx(3 * share / (1 + 2 * share), abs=0.04)


def test_a_red_corner_is_seen_in_its_token(data):
    views = torch.full((1, 3, 112, 112, 3), 130, dtype=torch.uint8)
    views[0, 1, 28:42, 56:70] = torch.tensor([200, 24, 19])
    found = colours_per_token(views, data.config)
    share, row, column = found[0, 1, 4 + 2, 0]  # second row, third column of tokens; red
    assert share == pytest.approx(0.25)
    assert row == pytest.approx(-0.52, abs=0.02)
    assert column == pytest.approx(-0.52, abs=0.02)
    found[0, 1, 6, 0] = 0.0
    assert not found.any()


def test_the_kept_prefix_gives_the_velocity_of_the_whole_model(data):
    torch.manual_seed(1)
    model = LingBotVLA(data.config).eval()
    cache = cache_prefixes(model, data, batch=32)
    rows = torch.tensor([0, 5, 40])
    noisy, time = torch.randn(3, HORIZON, 16), torch.tensor([0.2, 0.5, 0.9])
    with torch.no_grad():
        prefix = cache.prefix(model, rows, data.states[rows])
        kept = model.denoise(prefix, noisy, model.time_embedding(time))
        whole = model.denoise(
            model.encode_prefix(*data.inputs(rows), KVGraph()), noisy, model.time_embedding(time)
        )
    torch.testing.assert_close(kept, whole, atol=2e-3, rtol=0)


def test_known_steps_lower_the_error_of_what_follows_them(data, caplog):
    """With them the model knows where the motion is; without it has to guess."""
    caplog.set_level('INFO')
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(3)
    model = LingBotVLA(data.config)
    cache = cache_prefixes(model, data)
    train_flow(model, data, cache, 60, 16, generator, known_steps=20)
    rows = torch.arange(0, len(data), 2)
    noise = torch.randn(data.actions[rows].shape, generator=generator)
    time = torch.full((len(rows),), 0.8)
    prefix = cache.prefix(model, rows, data.states[rows])
    errors = []
    for steps in (0, 10):
        known = torch.arange(HORIZON).expand(len(rows), -1) < steps
        noisy, target = training_pair(data.actions[rows], noise, time, known)
        with torch.no_grad():
            found = model.denoise(prefix, noisy, model.time_embedding(time), known_BA=known)
        errors.append((found - target)[:, 10:14].abs().mean())
    assert errors[1] < 0.95 * errors[0]


def test_a_few_steps_of_each_part_lower_their_loss(data, caplog):
    caplog.set_level('INFO')
    torch.manual_seed(2)
    generator = torch.Generator().manual_seed(2)
    model = LingBotVLA(data.config)
    before = {name: values.clone() for name, values in model.named_parameters()}
    pretrain(model, lambda: data.batch(torch.arange(0, len(data), 12), generator), 10)
    seeing = [float(r.args[2]) for r in caplog.records if 'pretrain' in r.msg]
    assert seeing[-1] < 0.9 * seeing[0]
    cache = cache_prefixes(model, data)
    caplog.clear()
    seeing = model.vision.patch_embed.weight.clone()
    train_flow(model, data, cache, 30, 12, generator)
    loss = [float(r.args[2]) for r in caplog.records]
    assert loss[-1] < 0.95 * loss[0]  # a running mean
    torch.testing.assert_close(model.vision.patch_embed.weight, seeing, atol=0, rtol=0)
    for part in ('vision', 'vlm', 'expert', 'action_out_proj', 'view_patch_positions'):
        assert any(
            not torch.equal(values, before[name])
            for name, values in model.named_parameters()
            if name.startswith(part)
        )
