# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""One compiled engine for the whole file: compiling takes most of a minute."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

from lingbot_policy.model.engine import Engine
from lingbot_policy.model.guidance import Guidance, step_weights, TRAINED

# Of that minute's work on a machine that is busy.
pytestmark = pytest.mark.timeout(900)

GRAPHS = {'windowed block', 'full block', 'VLM layer', 'expert layer', 'expert layer and gradient'}


@pytest.fixture(scope='module')
def engines(released, tmp_path_factory):
    """Return an eager and a compiled engine of the parity data's weights."""
    with pytest.MonkeyPatch.context() as patch:
        cache = str(tmp_path_factory.mktemp('inductor'))
        patch.setenv('TORCHINDUCTOR_CACHE_DIR', cache)
        counters.clear()
        options = {'batch': 2, 'guidance': 'full'}
        model = deepcopy(released.model)
        yield tuple(Engine(model, path=path, **options) for path in ('eager', 'compiled'))


@pytest.mark.parametrize('case', ['two_full', 'masked_cam', 'one_long'])
@pytest.mark.parametrize('steps', [5, 10])
def test_sampled_actions_are_upstreams(engines, released, case, steps):
    expected = released.found(case, f'sample{steps}.actions').numpy()
    actions = engines[1].chunk(released.requests(case), steps)
    np.testing.assert_allclose(actions, expected, atol=2e-5, rtol=2e-5)


def test_nothing_recompiles_over_200_calls_of_every_kind(engines, released, request_for):
    eager, compiled = engines
    config = released.config
    assert counters['stats']['unique_graphs'] == len(GRAPHS)
    requests = [
        request_for(config, seed, (), length=1 + seed % config.prompt_length) for seed in range(8)
    ]
    shape = (config.horizon, config.max_action_dim)
    weights = np.broadcast_to(step_weights(config.horizon, 3, 20)[:, None], shape)
    known = Guidance(np.zeros(shape, np.float32), weights)
    captured = dict(counters['stats'])
    for call in range(200):
        request = requests[call % len(requests)]
        missing = [None if call >> view & 1 else v for view, v in enumerate(request.views)]
        guidance = replace(known, beta=1.0 + call) if call % 10 == 0 else None
        request = replace(request, views=missing, guidance=guidance)
        # Compiled denoising steps are the same code for any number of them.
        steps = 1 + call % 50 if call % 10 == 5 else 1
        actions = compiled.chunk([request], steps)
        if call % 10 == 0:
            expected = eager.chunk([request], steps)
            # Strong guidance throws these weights' actions far: their sums round at that size.
            size = np.abs(expected).max()
            np.testing.assert_allclose(actions, expected, atol=5e-6 * size, rtol=2e-4)
    assert dict(counters['stats']) == captured


def test_compiled_guidance_is_eager_guidance(engines, released, request_for):
    config = released.config
    shape = (config.horizon, config.max_action_dim)
    weights = np.broadcast_to(step_weights(config.horizon, 3, 20)[:, None], shape)
    known = Guidance(np.ones(shape, np.float32), weights)
    request = request_for(config, 3, guidance=known)
    eager, compiled = (engine.chunk([request], 6) for engine in engines)
    assert np.abs(eager - engines[0].chunk([replace(request, guidance=None)], 6)).max() > 1e-2
    np.testing.assert_allclose(compiled, eager, atol=5e-5)


def test_compiled_continuation_is_eager_continuation(released, request_for):
    config = released.config
    shape = (config.horizon, config.max_action_dim)
    weights = np.broadcast_to(step_weights(config.horizon, 3, 3)[:, None], shape)
    request = request_for(config, 3, guidance=Guidance(np.ones(shape, np.float32), weights))
    engines = [
        Engine(deepcopy(released.model), path=path, guidance=TRAINED)
        for path in ('eager', 'compiled')
    ]
    captured = dict(counters['stats'])
    eager, compiled = (engine.chunk([request], 6)[0] for engine in engines)
    np.testing.assert_allclose(compiled, eager, atol=5e-5)
    assert (compiled[:3] == 1.0).all()
    free = engines[1].chunk([replace(request, guidance=None)], 6)[0]
    assert np.abs(compiled[3:] - free[3:]).max() > 1e-2
    assert dict(counters['stats']) == captured


def test_models_of_other_sizes_in_one_process_do_not_share_what_is_compiled(engines):
    from lingbot_policy.model.engine import _compiled

    one, other = (_compiled('expert_layer') for _ in range(2))
    originals = [run._torchdynamo_orig_callable for run in (one, other)]
    assert originals[0].__code__ is not originals[1].__code__
    assert torch._dynamo.config.recompile_limit >= len(GRAPHS)
