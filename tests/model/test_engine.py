# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The engine gives the model's own actions for every good input, and refuses the others."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch

from lingbot_policy.model.engine import Engine, MAX_EVALUATIONS, MAX_STEPS
from lingbot_policy.model.flow_matching import euler_grid, TIME_GRIDS
from lingbot_policy.model.folding import EXACT
from lingbot_policy.model.weights import load_model

CLOSE = {'atol': 1e-5, 'rtol': 1e-5}
CASES = ('two_full', 'masked_cam', 'one_long')


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('steps', [5, 10])
def test_sampled_actions_are_upstreams(oracle, case, steps):
    requests = oracle.requests(case)
    engine = Engine(deepcopy(oracle.model), batch=len(requests), path='eager')
    expected = oracle.found(case, f'sample{steps}.actions').numpy()
    np.testing.assert_allclose(engine.chunk(requests, steps), expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize('time_grid', TIME_GRIDS)
@pytest.mark.parametrize('steps', [1, 7, 50])
def test_every_grid_gives_the_models_own_actions(
    tiny_model, request_for, sample, steps, time_grid
):
    engine = Engine(tiny_model, path='eager')
    request = request_for(tiny_model.config, 0, missing=(1,), length=2)
    expected = sample(tiny_model, request, steps, time_grid)
    np.testing.assert_allclose(engine.chunk([request], steps, time_grid)[0], expected, **CLOSE)


def test_one_engine_serves_changing_observations(tiny_model, request_for, sample):
    config = tiny_model.config
    engine = Engine(tiny_model, path='eager')
    for seed in range(6):
        missing = (seed % config.views,) if seed % 2 else ()
        request = request_for(config, seed, missing, length=1 + seed % config.prompt_length)
        expected = sample(tiny_model, request, 1 + seed)
        np.testing.assert_allclose(engine.chunk([request], 1 + seed)[0], expected, **CLOSE)


def test_a_batch_equals_its_requests_one_by_one_and_need_not_be_full(
    tiny_model, request_for, sample
):
    engine = Engine(tiny_model, batch=3, path='eager')
    requests = [request_for(tiny_model.config, seed) for seed in range(3)]
    expected = np.stack([sample(tiny_model, request, 4) for request in requests])
    np.testing.assert_allclose(engine.chunk(requests, 4), expected, **CLOSE)
    np.testing.assert_allclose(engine.chunk(requests[2:], 4), expected[2:], **CLOSE)


def test_frames_of_a_known_size_are_resized_by_the_engine(tiny_config, tiny_model, request_for):
    views = tiny_model.config.views
    on_host = Engine(tiny_model, path='eager')
    on_device = Engine(tiny_model, path='eager', frame_sizes=views * [(90, 120)])
    request = request_for(tiny_model.config, 0)
    difference = on_device.chunk([request]) - on_host.chunk([request])
    assert np.abs(difference).max() < 0.02
    odd = replace(request, views=[np.zeros((90, 121, 3), np.uint8), *request.views[1:]])
    with pytest.raises(ValueError, match=r'view 0 is uint8 \(90, 121, 3\); expected .*90, 120'):
        on_device.chunk([odd])


def test_actions_are_new_memory(tiny_model, request_for):
    engine = Engine(tiny_model, path='eager')
    first = engine.chunk([request_for(tiny_model.config, 0)])
    kept = first.copy()
    engine.chunk([request_for(tiny_model.config, 1)])
    assert np.array_equal(first, kept)


def test_slots_without_supervision_follow_the_noise_schedule(tiny_model, request_for):
    """As in training, where they hold t * noise; the real slots read them at every step."""
    config = tiny_model.config
    real = np.arange(config.max_action_dim) < 4
    request = request_for(config, 0)
    engine = Engine(tiny_model, path='eager', integrated_S=real)
    inputs = engine.chunk([request], 3)[0]
    assert not inputs[:, ~real].any()

    plain = Engine(tiny_model, path='eager')
    plain.write([request])
    plain.set_grid(3, 'accumulated_fp32')
    plain.observe()
    plain.begin()
    times = (*euler_grid(3).times, 0.0)
    for step in range(3):
        plain.denoise()
        x = plain._x_BAS[0].numpy()
        x[:, ~real] = np.float32(times[step + 1]) * request.noise_AS[:, ~real]
    np.testing.assert_allclose(inputs, x, **CLOSE)


def test_what_is_wrong_with_a_request_is_said_before_anything_runs(tiny_config, request_for):
    from lingbot_policy.model.lingbot_vla import LingBotVLA

    engine = Engine(LingBotVLA(tiny_config), path='eager')
    good = request_for(tiny_config, 0)
    float_view = [good.views[0] / 255.0, *good.views[1:]]
    long = torch.zeros(7, dtype=torch.int64)
    state = good.state_S.copy()
    state[2] = np.nan
    for changes, message in (
        ({'views': float_view}, r'view 0 is float64 \(90, 120, 3\); expected uint8'),
        ({'views': [good.views[0][:, :, 0], None, None]}, r'view 0 is uint8 \(90, 120\)'),
        ({'views': good.views[:2]}, 'found 2 views; the model takes 3'),
        ({'tokens_T': long, 'valid_T': long.bool()}, 'has 7 tokens .* takes 1 to 6; shorten'),
        ({'tokens_T': torch.tensor([64]), 'valid_T': torch.ones(1).bool()}, 'tokens from 64'),
        ({'state_S': state}, r'state at \(2,\) is nan'),
        ({'state_S': state[:6]}, r'state of shape \(6,\), expected \(7,\)'),
        ({'noise_AS': good.noise_AS[:4]}, r'noise of shape \(4, 7\), expected \(5, 7\)'),
    ):
        with pytest.raises(ValueError, match=message):
            engine.chunk([replace(good, **changes)])
    with pytest.raises(ValueError, match='found 2 observations, expected 1 to 1'):
        engine.chunk([good, good])
    with pytest.raises(ValueError, match='found 51, expected 1 to 50'):
        engine.chunk([good], 51)
    with pytest.raises(ValueError, match="no time grid 'even'"):
        engine.chunk([good], time_grid='even')


def test_unknown_paths_and_precisions_are_refused(tiny_model, released):
    with pytest.raises(ValueError, match="no path 'fast'; known: eager, compiled, graph"):
        Engine(tiny_model, path='fast')
    with pytest.raises(
        ValueError, match="no guidance 'some'; known: full, identity_jacobian, trained"
    ):
        Engine(tiny_model, path='eager', guidance='some')
    with pytest.raises(ValueError, match="no precision 'fp8'; known: reference, bf16"):
        Engine.load(released.folder, released.config, 'fp8')
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match=r"'graph' captures CUDA graphs, but .* cpu"):
            Engine(tiny_model, path='graph')


def test_no_grid_needs_more_rows_than_the_tables_have():
    evaluations = {
        len(euler_grid(steps, name).times)
        for steps in range(1, MAX_STEPS + 1)
        for name in TIME_GRIDS
    }
    assert max(evaluations) == MAX_EVALUATIONS


@pytest.mark.parametrize('case', CASES)
def test_bf16_is_about_as_near_to_float32_as_the_model_rounded_as_a_whole(released, case):
    """The released deployment rounds every weight. Which is nearer depends on the processor."""
    requests = released.requests(case)
    exact = released.model.sample_actions(
        *released.observation(case), released.given(case, 'sample_noise')
    ).numpy()
    engine = Engine.load(released.folder, released.config, 'bf16', batch=len(requests))
    ours = np.abs(engine.chunk(requests) - exact)
    rounded = load_model(released.folder, released.config, torch.bfloat16)
    theirs = rounded.sample_actions(
        *released.observation(case), released.given(case, 'sample_noise')
    ).numpy()
    assert ours.mean() <= 1.25 * np.abs(theirs - exact).mean()
    assert ours.mean() <= 1e-2 * exact.std()
    assert ours.max() <= 5e-2 * exact.std()


def test_bf16_keeps_in_float32_what_is_small_and_sensitive(released):
    engine = Engine.load(released.folder, released.config, 'bf16')
    kept = {
        name
        for name, parameter in engine.model.named_parameters()
        if parameter.dtype is torch.float32
    }
    expected = {
        name
        for name, _ in engine.model.named_parameters()
        if any(part in name for part in EXACT) and 'patch_embed' not in name
    }
    assert kept == expected
    assert engine.dtype is torch.bfloat16
