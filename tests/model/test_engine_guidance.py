# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Guided real-time chunking against its formula, and what it does to a chunk."""

from dataclasses import replace
import math

import numpy as np
import pytest
import torch
from torch.func import jacrev

from lingbot_policy.model.engine import Engine
from lingbot_policy.model.flow_matching import euler_grid
from lingbot_policy.model.guidance import Guidance, GUIDED, step_weights, TRAINED, VARIANTS

CLOSE = {'atol': 2e-5, 'rtol': 2e-5}


def guidance_for(config, known=3, beta=5.0):
    random = np.random.default_rng(9)
    shape = (config.horizon, config.max_action_dim)
    weights = np.zeros(shape, np.float32)
    weights[:, :4] = step_weights(config.horizon, 1, known)[:, None]
    return Guidance(random.standard_normal(shape).astype(np.float32), weights, beta)


def by_the_formula(model, request, inputs, steps, variant):
    """Return the guided chunk with a dense Jacobian, from the model's own velocity."""
    *observation, x = inputs
    known = request.guidance
    target, weights = torch.from_numpy(known.target), torch.from_numpy(known.weights)
    grid = euler_grid(steps)
    for t, dt in zip(grid.times, grid.dts, strict=True):

        def endpoint(flat, t=t, shape=x.shape):
            noisy = flat.view(shape)
            return (noisy - t * model.velocity(*observation, noisy, torch.tensor([t]))).flatten()

        flat = x.flatten()
        reached = endpoint(flat)
        pull = (weights * (target - reached.view_as(target))).flatten()
        if variant == 'full':
            pull = jacrev(endpoint)(flat).T @ pull
        gain = known.beta
        if t < 1:
            gain = min(gain, ((1 - t) ** 2 + t**2) / (t * (1 - t)))
        velocity = (flat - reached) / t - gain * pull
        x = x + dt * velocity.view_as(x)
    return x[0].detach().numpy()


@pytest.mark.filterwarnings('ignore:There is a performance drop')
@pytest.mark.parametrize('variant', GUIDED)
def test_guided_chunks_follow_the_formula(tiny_model, request_for, variant):
    from_request = replace(
        request_for(tiny_model.config, 0), guidance=guidance_for(tiny_model.config)
    )
    engine = Engine(tiny_model, path='eager', guidance=variant)
    inputs = model_arguments(tiny_model.config, from_request)
    expected = by_the_formula(tiny_model, from_request, inputs, 4, variant)
    chunk = engine.chunk([from_request], 4)[0]
    np.testing.assert_allclose(chunk, expected, **CLOSE)


def model_arguments(config, request):
    from lingbot_policy.model.preprocess import patches_from_views

    patches, present = patches_from_views(request.views, config)
    state, noise = torch.from_numpy(request.state_S), torch.from_numpy(request.noise_AS)
    parts = (patches, present, request.tokens_T, request.valid_T, state, noise)
    return tuple(part[None] for part in parts)


@pytest.mark.parametrize('variant', VARIANTS)
def test_guidance_pulls_known_steps_to_their_target(tiny_model, request_for, variant):
    config = tiny_model.config
    request = request_for(config, 1)
    engine = Engine(tiny_model, path='eager', guidance=variant)
    free = engine.chunk([request])[0]
    target = (free + 1.0).astype(np.float32)
    known = replace(guidance_for(config), target=target)
    pulled = engine.chunk([replace(request, guidance=known)])[0]
    error = np.abs(pulled - target)[0, :4]
    assert error.mean() < 0.3
    assert np.abs(free - target)[0, :4].mean() == pytest.approx(1.0)


@pytest.mark.parametrize('variant', VARIANTS)
def test_without_a_prefix_the_bits_are_those_of_an_engine_without_guidance(
    tiny_model, request_for, variant
):
    request = request_for(tiny_model.config, 2)
    plain = Engine(tiny_model, path='eager').chunk([request])
    engine = Engine(tiny_model, path='eager', guidance=variant)
    known = replace(request, guidance=guidance_for(tiny_model.config))
    assert not np.array_equal(engine.chunk([known]), plain)
    assert np.array_equal(engine.chunk([request]), plain)


def test_weights_of_zero_change_nothing(tiny_model, request_for):
    request = request_for(tiny_model.config, 2)
    known = guidance_for(tiny_model.config)
    nothing = replace(known, weights=np.zeros_like(known.weights))
    engine = Engine(tiny_model, path='eager', guidance='full')
    expected = engine.chunk([request])
    chunk = engine.chunk([replace(request, guidance=nothing)])
    np.testing.assert_allclose(chunk, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('variant', VARIANTS)
def test_of_a_batch_only_the_guided_request_is_pulled(tiny_model, request_for, variant):
    config = tiny_model.config
    requests = [request_for(config, seed) for seed in range(2)]
    engine = Engine(tiny_model, batch=2, path='eager', guidance=variant)
    free = engine.chunk(requests)
    mixed = engine.chunk([replace(requests[0], guidance=guidance_for(config)), requests[1]])
    assert np.abs(mixed[0] - free[0]).max() > 1e-2
    np.testing.assert_allclose(mixed[1], free[1], atol=1e-5, rtol=1e-5)


def continued(model, request, inputs, steps):
    """Return the chunk which continues the known steps, from the model's own velocity."""
    *observation, x = inputs
    known = torch.from_numpy(request.guidance.weights[None] >= 1).any(dim=-1)
    target = torch.from_numpy(request.guidance.target[None])
    prefix = model.encode_prefix(*observation)
    grid = euler_grid(steps)
    for t, dt in zip(grid.times, grid.dts, strict=True):
        x = torch.where(known[:, :, None], target, x)
        embedding = model.time_embedding(torch.tensor([t]))
        x = x + dt * model.denoise(prefix, x, embedding, known_BA=known)
    return torch.where(known[:, :, None], target, x)[0].detach().numpy()


def test_trained_weights_are_given_what_is_known_at_time_zero(tiny_model, request_for):
    known = guidance_for(tiny_model.config)
    request = replace(request_for(tiny_model.config, 0), guidance=known)
    engine = Engine(tiny_model, path='eager', guidance=TRAINED)
    chunk = engine.chunk([request], 4)[0]
    inputs = model_arguments(tiny_model.config, request)
    np.testing.assert_allclose(chunk, continued(tiny_model, request, inputs, 4), **CLOSE)
    assert np.array_equal(chunk[0], known.target[0])
    other = replace(known, target=known.target + 1.0)
    moved = engine.chunk([replace(request, guidance=other)], 4)[0]
    assert np.abs(moved[1:] - chunk[1:]).max() > 1e-2  # what is made depends on what is known
    unread = replace(known, target=np.concatenate((known.target[:1], known.target[1:] + 9.0)))
    again = engine.chunk([replace(request, guidance=unread)], 4)[0]
    np.testing.assert_array_equal(again[1:], chunk[1:])


def test_known_steps_stay_where_padding_follows_its_noise(tiny_model, request_for):
    real = np.arange(tiny_model.config.max_action_dim) < 4
    known = guidance_for(tiny_model.config)
    request = replace(request_for(tiny_model.config, 0), guidance=known)
    engine = Engine(tiny_model, path='eager', guidance=TRAINED, integrated_S=real)
    chunk = engine.chunk([request], 3)[0]
    np.testing.assert_array_equal(chunk[0], known.target[0])
    assert not chunk[1:, ~real].any()


def test_step_weights_hold_then_fall_then_end():
    weights = step_weights(10, 3, 7)
    assert weights[:3].tolist() == [1.0, 1.0, 1.0]
    rest = 4 / 5  # of step 3: (7 - 3) / (7 - 3 + 1)
    assert weights[3] == pytest.approx(rest * math.expm1(rest) / math.expm1(1.0))
    assert (np.diff(weights[2:7]) < 0).all()
    assert not weights[7:].any()
    assert not step_weights(5, 0, 0).any()
    with pytest.raises(ValueError, match='delay 4, known 3, horizon 10'):
        step_weights(10, 4, 3)


def test_guidance_that_is_wrong_is_refused(tiny_model, request_for):
    request = request_for(tiny_model.config, 0)
    known = guidance_for(tiny_model.config)
    without = Engine(tiny_model, path='eager')
    with pytest.raises(ValueError, match='guidance=full or identity_jacobian or trained'):
        without.chunk([replace(request, guidance=known)])
    engine = Engine(tiny_model, path='eager', guidance='full')
    target = known.target.copy()
    target[1, 2] = np.inf
    for changes, message in (
        ({'target': target}, r'guidance target at \(1, 2\) is inf'),
        ({'weights': known.weights[:2]}, r'guidance weights of shape \(2, 7\)'),
        ({'beta': float('nan')}, r'guidance beta at \(\) is nan'),
    ):
        with pytest.raises(ValueError, match=message):
            engine.chunk([replace(request, guidance=replace(known, **changes))])
