# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Folds are algebra: the same numbers, from fewer products."""

from dataclasses import replace

import numpy as np
from PIL import Image
import pytest
import torch
from torch.testing import assert_close

from lingbot_policy.model.flow_matching import euler_grid
from lingbot_policy.model.folding import (
    ActionEmbedding,
    align_vision_mlp,
    PatchEmbedding,
    TimeTables,
)
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import patches_from_views
from lingbot_policy.model.resize import DeviceResize

CLOSE = {'atol': 1e-5, 'rtol': 1e-5}


@torch.no_grad()
def test_one_product_with_grey_levels_embeds_patches(released):
    random = np.random.default_rng(0)
    views = [random.integers(0, 256, (224, 224, 3), dtype=np.uint8) for _ in range(3)]
    tower = released.model.vision
    patches, _ = patches_from_views(views, released.config)
    expected = tower.patch_embed(patches)[:, tower.patch_order]
    frames = torch.from_numpy(np.stack(views))
    assert_close(PatchEmbedding(released.model, torch.float32)(frames), expected, **CLOSE)


@torch.no_grad()
def test_grey_levels_lose_nothing_in_bfloat16():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal((levels.bfloat16() - 128.0).float(), levels.float() - 128.0)


@torch.no_grad()
def test_rows_of_the_tables_are_the_models_schedule(tiny_model):
    tables = TimeTables(tiny_model, ActionEmbedding(tiny_model), 11)
    grid = euler_grid(10)
    tables.fill(euler_grid(11, 'rounded_bf16'))
    tables.fill(grid)
    for row, (embedding, modulations) in enumerate(tiny_model.schedule(grid)):
        assert_close(tables.modulations[row], modulations, **CLOSE)
        assert tables.time[row].item() == grid.times[row]
        actions = torch.randn(1, 5, tiny_model.config.max_action_dim)
        time = embedding[:, None].expand(-1, 5, -1)
        expected = tiny_model.action_time_mlp_in(
            torch.cat((tiny_model.action_in_proj(actions), time), dim=-1)
        )
        assert_close(tables.embedding(actions, tables.of_time[row]), expected, **CLOSE)
    ((_, at_zero),) = tiny_model.schedule(replace(grid, times=(0.0,), dts=(0.0,)))
    assert_close(tables.modulations[-1], at_zero, **CLOSE)


@torch.no_grad()
def test_each_token_may_have_a_time_of_its_own(tiny_model, observe):
    """What a policy trained with known actions (time 0) in front of the noisy ones needs."""
    prefix = tiny_model.encode_prefix(*observe(tiny_model.config, 1))
    grid = euler_grid(2)
    (_, noisy), (_, half) = tiny_model.schedule(grid)
    width, tokens = tiny_model.config.expert.width, 1 + tiny_model.config.horizon
    hidden = torch.randn(1, tiny_model.config.horizon, width)
    same = noisy.expand(-1, -1, -1, tokens, -1)
    alike = tiny_model.decode(prefix, hidden, same)
    assert_close(alike, tiny_model.decode(prefix, hidden, noisy), **CLOSE)
    mixed = torch.where(torch.arange(tokens)[:, None] < 2, half, noisy)
    assert (tiny_model.decode(prefix, hidden, mixed) - alike).abs().max() > 1e-4


@torch.no_grad()
def test_a_widened_vision_mlp_gives_the_same_tokens(tiny_model, observe):
    patches, *_ = observe(tiny_model.config, 1)
    expected = tiny_model.vision(patches[0])
    align_vision_mlp(tiny_model)
    assert tiny_model.vision.blocks[0].mlp_down.weight.shape[1] == 64
    assert_close(tiny_model.vision(patches[0]), expected, **CLOSE)


def test_the_released_sizes_are_aligned():
    with torch.device('meta'):
        model = LingBotVLA(released_sizes())
    assert model.vision.blocks[0].mlp_down.weight.shape[1] == 3420
    align_vision_mlp(model)
    assert model.vision.blocks[0].mlp_down.weight.shape[1] == 3456


def released_sizes():
    from lingbot_policy.model.config import ModelConfig

    return ModelConfig.released_4b()


@pytest.mark.parametrize(('rows', 'columns'), [(480, 640), (720, 1280), (224, 300), (100, 90)])
def test_resizing_on_the_device_is_pils_but_for_a_level_here_and_there(rows, columns):
    random = np.random.default_rng(rows)
    frame = random.integers(0, 256, (rows, columns, 3), dtype=np.uint8)
    expected = Image.fromarray(frame).resize((224, 224), Image.Resampling.BILINEAR)
    ours = DeviceResize(rows, columns, 224)(torch.from_numpy(frame)[None])[0].numpy()
    difference = np.abs(ours.astype(int) - np.asarray(expected))
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 0.005
