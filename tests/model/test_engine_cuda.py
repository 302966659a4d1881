# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The engine on a GPU: graphs give the eager chunk, and the host stays silent meanwhile."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.profiler import profile, ProfilerActivity

from lingbot_policy.model.engine import Engine
from lingbot_policy.model.guidance import Guidance, step_weights, VARIANTS

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
]
SYNCHRONISATIONS = ('cudaStreamSynchronize', 'cudaDeviceSynchronize', 'cudaEventSynchronize')


def engine_of(released, path, precision='bf16', **options):
    return Engine.load(
        released.folder, released.config, precision, 'cuda', path=path, batch=2, **options
    )


@pytest.mark.parametrize('path', ['eager', 'compiled', 'graph', 'compiled_graph'])
@pytest.mark.parametrize('case', ['two_full', 'masked_cam', 'one_long'])
def test_sampled_actions_are_upstreams_in_float32(released, path, case):
    engine = engine_of(released, path, 'reference')
    expected = released.found(case, 'sample10.actions').numpy()
    np.testing.assert_allclose(engine.chunk(released.requests(case)), expected, atol=1e-4)


@pytest.mark.parametrize('guidance', VARIANTS)
def test_a_graph_serves_every_instruction_number_of_steps_and_camera(
    released, request_for, guidance
):
    eager = engine_of(released, 'eager', guidance=guidance)
    graph = engine_of(released, 'graph', guidance=guidance)
    config = released.config
    shape = (config.horizon, config.max_action_dim)
    weights = np.broadcast_to(step_weights(config.horizon, 3, 20)[:, None], shape)
    known = Guidance(np.ones(shape, np.float32), weights)
    for call in range(20):
        request = request_for(config, call, (call % 3,), 1 + call % config.prompt_length)
        request = replace(request, guidance=known if call % 2 else None)
        steps = 1 + 7 * call % 50
        expected = eager.chunk([request], steps)
        np.testing.assert_allclose(graph.chunk([request], steps), expected, atol=2e-2)


def test_the_host_waits_once_at_the_download(released):
    engine = engine_of(released, 'compiled_graph')
    requests = released.requests('two_full')
    engine.chunk(requests)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        engine.write(requests)
        engine.observe()
        engine.begin()
        for _ in range(10):
            engine.denoise()
    waits = [e.key for e in profiler.key_averages() if e.key in SYNCHRONISATIONS]
    # The profiler itself synchronises the device when it stops.
    assert set(waits) <= {'cudaDeviceSynchronize'}


def test_attention_never_falls_back_to_plain_products(released):
    engine = engine_of(released, 'eager')
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        engine.chunk(released.requests('two_full'), 1)
    assert not [e.key for e in profiler.key_averages() if 'attention_math' in e.key]
