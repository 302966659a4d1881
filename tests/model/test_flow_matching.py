# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lingbot_policy.model.flow_matching import (
    but_known,
    euler_grid,
    euler_sample,
    masked_mean,
    sample_known,
    sample_training_times,
    time_embedding,
    training_pair,
)

KEPT = np.load(Path(__file__).parents[1] / 'data' / 'oracle' / 'preprocess.npz')


@pytest.mark.parametrize('width', [32, 768])
def test_the_time_embedding_is_upstreams(width):
    ours = time_embedding(torch.from_numpy(KEPT['time']), width)
    assert_close(ours, torch.from_numpy(KEPT[f'time_emb.{width}']), atol=1e-4, rtol=1e-4)


def test_upstreams_bfloat16_grid_drifts():
    grid = euler_grid(10, 'upstream_bf16')
    # Robbyant/lingbot-vla @ 61ef6b1, run in bfloat16.
    assert grid.times == (
        *(1.0, 0.8984375, 0.796875, 0.6953125, 0.59375),
        *(0.494140625, 0.39453125, 0.294921875, 0.1953125, 0.09521484375),
    )
    assert set(grid.dts) == {-0.10009765625}
    assert len(euler_grid(50, 'upstream_bf16').times) == 51


@pytest.mark.parametrize('steps', [1, 2, 3, 5, 7, 10, 25, 50, 100])
@pytest.mark.parametrize('name', ['accumulated_fp32', 'rounded_bf16'])
def test_a_grid_has_as_many_steps_as_asked_and_ends_at_the_data(steps, name):
    grid = euler_grid(steps, name)
    assert len(grid.times) == len(grid.dts) == steps
    assert grid.times[0] == 1.0
    assert sum(grid.dts) == pytest.approx(-1.0, abs=1e-6)
    assert list(grid.times) == pytest.approx([1 - i / steps for i in range(steps)], abs=4e-3)


def test_rounded_times_are_bfloat16():
    times = torch.tensor(euler_grid(10, 'rounded_bf16').times)
    assert torch.equal(times, times.bfloat16().float())


def test_no_steps_and_an_unknown_grid_are_refused():
    with pytest.raises(ValueError, match='at least 1, found 0'):
        euler_grid(0)
    with pytest.raises(ValueError, match="no time grid 'fp64'; known: accumulated_fp32"):
        euler_grid(10, 'fp64')


def test_time_one_is_noise_and_time_zero_is_data():
    actions, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    noisy, velocity = training_pair(actions, noise, torch.tensor([1.0, 0.0]))
    assert_close(noisy[0], noise[0])
    assert_close(noisy[1], actions[1])
    assert_close(noisy - velocity * torch.tensor([1.0, 0.0])[:, None, None], actions)


def test_known_actions_are_given_as_they_are_and_carry_no_loss():
    actions, noise = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    known = torch.tensor([[True, True, False], [False, False, False]])
    noisy, _ = training_pair(actions, noise, torch.tensor([0.4, 0.7]), known)
    free, _ = training_pair(actions, noise, torch.tensor([0.4, 0.7]))
    assert_close(noisy[0, :2], actions[0, :2])
    assert_close(noisy[~known], free[~known])
    assert but_known(None, None) is None
    mask = torch.tensor([True, True, True, False])
    counted = but_known(mask, known)
    assert counted.sum() == 4 * 3
    assert not counted[0, :2].any()
    assert masked_mean(known[:, :, None].expand(2, 3, 4).float(), counted) == 0.0


def test_half_of_the_samples_are_given_each_number_of_steps_as_often():
    known = sample_known(20_000, 10, 4, torch.Generator().manual_seed(0))
    assert (known.int().diff(dim=1) <= 0).all()  # always the first ones
    shares = torch.bincount(known.sum(dim=1), minlength=11) / 20_000
    assert_close(shares[0], torch.tensor(0.5), atol=0.01, rtol=0)
    assert_close(shares[1:5], torch.full((4,), 0.125), atol=0.01, rtol=0)
    assert not shares[5:].any()


def test_euler_steps_along_a_straight_line_reach_the_data():
    actions, noise = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    for name in ('accumulated_fp32', 'rounded_bf16'):
        reached = euler_sample(lambda x, step: noise - actions, noise, euler_grid(7, name))
        assert_close(reached, actions, atol=1e-5, rtol=1e-5)


def test_training_times_follow_upstreams_law():
    times = sample_training_times(200_000, torch.Generator().manual_seed(0))
    quantiles = torch.quantile(times, torch.linspace(0.01, 0.99, 99))
    assert_close(
        quantiles.double(),
        torch.from_numpy(KEPT['time_sampler.quantiles_1_99']),
        atol=5e-3,
        rtol=0,
    )
    mean, deviation = KEPT['time_sampler.mean_std']
    assert times.mean() == pytest.approx(mean, abs=2e-3)
    assert times.std() == pytest.approx(deviation, abs=2e-3)


def test_a_mask_broadcasts_and_an_empty_one_gives_zero():
    elements = torch.arange(6.0).view(1, 2, 3)
    assert masked_mean(elements, torch.tensor([True, False, False])) == 1.5
    assert masked_mean(elements, torch.zeros(1, 2, 3, dtype=torch.bool)) == 0.0
