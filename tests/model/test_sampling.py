# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What must hold for any weights: batches, caches, missing views and prompts of any length."""

from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from lingbot_policy.model.flow_matching import euler_grid
from lingbot_policy.model.lingbot_vla import LingBotVLA

CLOSE = {'atol': 2e-5, 'rtol': 2e-5}


def noise_for(model, batch):
    return torch.randn(batch, model.config.horizon, model.config.max_action_dim)


@pytest.mark.parametrize('batch', [2, 3])
def test_a_batch_equals_its_samples_one_by_one(tiny_model, observe, batch):
    observation = observe(tiny_model.config, batch)
    noise = noise_for(tiny_model, batch)
    together = tiny_model.sample_actions(*observation, noise, steps=3)
    for sample in range(batch):
        alone = tiny_model.sample_actions(
            *(part[sample : sample + 1] for part in observation), noise[sample : sample + 1], 3
        )
        assert_close(together[sample : sample + 1], alone, **CLOSE)


def test_the_cached_step_equals_the_differentiable_velocity(tiny_model, observe):
    observation = observe(tiny_model.config, 2)
    noise = noise_for(tiny_model, 2)
    grid = euler_grid(4)
    with torch.no_grad():
        prefix = tiny_model.encode_prefix(*observation)
        schedule = tiny_model.schedule(grid)
        for time, step in zip(grid.times, schedule, strict=True):
            cached = tiny_model.denoise(prefix, noise, *step)
            joint = tiny_model.velocity(*observation, noise, torch.full((2,), time))
            assert_close(cached, joint, **CLOSE)


def test_sampling_follows_the_velocity_and_leaves_the_noise_alone(tiny_model, observe):
    observation = observe(tiny_model.config, 2)
    noise = noise_for(tiny_model, 2)
    x = noise.clone()
    with torch.no_grad():
        for time in (1.0, 0.5):
            x = x - 0.5 * tiny_model.velocity(*observation, x, torch.full((2,), time))
    before = noise.clone()
    assert_close(tiny_model.sample_actions(*observation, noise, steps=2), x, **CLOSE)
    assert torch.equal(noise, before)


def test_what_is_masked_does_not_matter(tiny_model, observe):
    patches, view_masks, tokens, token_masks, state = observe(tiny_model.config, 2)
    noise = noise_for(tiny_model, 2)
    actions = tiny_model.sample_actions(patches, view_masks, tokens, token_masks, state, noise, 2)
    other_patches = torch.where(view_masks[:, :, None, None], patches, 7.0)
    other_tokens = torch.where(token_masks, tokens, 3)
    others = tiny_model.sample_actions(
        other_patches, view_masks, other_tokens, token_masks, state, noise, 2
    )
    assert_close(others, actions, **CLOSE)


def test_padding_of_the_prompt_does_not_matter(tiny_model, observe):
    patches, view_masks, tokens, token_masks, state = observe(tiny_model.config, 1)
    noise = noise_for(tiny_model, 1)
    short = tiny_model.sample_actions(
        patches, view_masks, tokens[:, :1], token_masks[:, :1], state, noise, 2
    )
    padded = tiny_model.sample_actions(patches, view_masks, tokens, token_masks, state, noise, 2)
    assert_close(padded, short, **CLOSE)


@pytest.mark.parametrize('part', range(5))
def test_everything_that_is_valid_matters(tiny_model, observe, part):
    observation = list(observe(tiny_model.config, 2))
    noise = noise_for(tiny_model, 2)
    actions = tiny_model.sample_actions(*observation, noise, steps=2)
    observation[part] = observe(tiny_model.config, 2)[part]
    if observation[part].dtype is torch.bool:
        observation[part][1, 1] = False
    others = tiny_model.sample_actions(*observation, noise, steps=2)
    assert (others[1] - actions[1]).abs().max() > 1e-4


def test_no_view_at_all_gives_finite_actions_and_gradients(tiny_model, observe):
    patches, view_masks, *rest = observe(tiny_model.config, 2)
    nothing = torch.zeros_like(view_masks)
    noise = noise_for(tiny_model, 2)
    actions = tiny_model.sample_actions(patches, nothing, *rest, noise, steps=2)
    assert actions.isfinite().all()
    tiny_model.velocity(patches, nothing, *rest, noise, torch.rand(2)).sum().backward()
    gradients = [p.grad for p in tiny_model.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def test_every_parameter_learns_except_the_dead_end_of_the_last_prefix_layer(tiny_model, observe):
    config = tiny_model.config
    targets = None
    if config.depth:
        shape = (2 * config.views, config.depth.bank_tokens, config.depth.target_width)
        targets = torch.randn(shape)
    loss = tiny_model(
        *observe(config, 2),
        noise_for(tiny_model, 2),
        noise_for(tiny_model, 2),
        torch.rand(2),
        depth_targets=targets,
    )
    loss.total.backward()
    idle = {name for name, p in tiny_model.named_parameters() if p.grad is None}
    last = f'vlm.layers.{config.vlm.layers - 1}.after_attention.'
    dead = {name for name, _ in tiny_model.named_parameters() if name.startswith(last)}
    assert idle == (set() if config.depth else dead | {'vlm.norm.weight'})


def test_masked_actions_do_not_enter_the_loss(tiny_model, observe):
    config = tiny_model.config
    observation, actions, noise = (
        observe(config, 2),
        noise_for(tiny_model, 2),
        noise_for(tiny_model, 2),
    )
    mask = torch.rand_like(actions) > 0.5
    loss = tiny_model(*observation, actions, noise, torch.ones(2), 'fm', mask)
    assert_close(loss.action, loss.elements_BAS[mask].mean())
    assert loss.depth is None


def test_an_unknown_loss_and_targets_without_depth_are_refused(tiny_model, observe):
    config = tiny_model.config
    observation, noise = observe(config, 1), noise_for(tiny_model, 1)
    with pytest.raises(ValueError, match="no loss 'l3'; known: fm, L1_fm"):
        tiny_model(*observation, noise, noise, torch.rand(1), 'l3')
    if config.depth is None:
        with pytest.raises(ValueError, match='depth = None'):
            tiny_model(*observation, noise, noise, torch.rand(1), depth_targets=noise)


def test_a_model_in_bfloat16_keeps_exact_tables_and_returns_the_noises_dtype(tiny_model, observe):
    observation, noise = observe(tiny_model.config, 2), noise_for(tiny_model, 2)
    actions = tiny_model.sample_actions(*observation, noise, steps=4)
    half = tiny_model.bfloat16()
    assert half.vision.positions.dtype is torch.int64
    rounded = half.sample_actions(*observation, noise, steps=4)
    assert rounded.dtype is torch.float32
    assert (rounded - actions).abs().mean() < 0.05 * actions.abs().mean()


def test_autocast_gives_the_same_velocity_roughly(tiny_model, observe):
    observation, noise = observe(tiny_model.config, 2), noise_for(tiny_model, 2)
    exact = tiny_model.velocity(*observation, noise, torch.rand(2))
    with torch.autocast('cpu', torch.bfloat16):
        mixed = tiny_model.velocity(*observation, noise, torch.rand(2))
    assert mixed.isfinite().all()
    assert mixed.shape == exact.shape


def test_views_of_another_size_only_need_another_config(tiny_model, observe):
    config = replace(tiny_model.config, image_size=224)
    larger = LingBotVLA(config).eval()
    actions = larger.sample_actions(*observe(config, 1), noise_for(larger, 1), steps=1)
    assert config.patches_per_view == 256
    assert tiny_model.config.patches_per_view == 64
    assert actions.isfinite().all()
