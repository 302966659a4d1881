# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The gate of the numerics, and that the benchmarks count and measure what they say."""

from argparse import Namespace
import json
from pathlib import Path
import subprocess

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.flops import chunk_flops, stage_flops
from benchmarks.inference import run, table
from benchmarks.numerics import faults
from benchmarks.numerics import run as run_numerics
from benchmarks.sizes import random_model, random_request, size_of
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.engine import Engine

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def numerics():
    return run_numerics('tiny', 'cpu', ['eager'], seeds=3)


def test_every_path_passes_the_gate_at_tiny_size(numerics):
    assert not faults(numerics)


def test_the_gate_sees_a_path_that_is_wrong(numerics):
    wrong = json.loads(json.dumps(numerics))
    for row in wrong['rows']:
        row['chunk'] = {key: 10 * value for key, value in row['chunk'].items()}
    found = ' '.join(faults(wrong))
    assert 'reference eager: chunk mean_sd' not in found
    assert 'bf16 eager: chunk mean_sd' in found
    assert 'bf16 eager: chunk max_sd' in found
    idle = {**numerics, 'a_camera_moves_sd': 0.0}
    assert faults(idle) == ['a camera moves the chunk by 0 sd, expected 0.1']


def test_operations_are_counted_as_torch_counts_them():
    config = size_of('tiny', views=2, prompt=24)
    engine = Engine(random_model(config), path='eager')
    engine.write([random_request(config)])
    engine.set_grid(1, 'accumulated_fp32')
    stages = stage_flops(config)
    padding = 2 * engine._embed_patches.padding * config.vision.width
    with FlopCounterMode(display=False) as views:
        images = engine.embed_views()
    padded = padding * 2 * config.patches_per_view
    assert products(views) == stages['views']['products'] + padded
    with FlopCounterMode(display=False) as prefix:
        engine.encode_prefix(images)
    assert products(prefix) == stages['prefix']['products']
    engine.observe()
    with FlopCounterMode(display=False) as step:
        engine.begin()
        engine.denoise()
    assert products(step) == stages['step']['products']


def products(counter) -> int:
    """Return the counted operations of products with weights."""
    return sum(
        count
        for name, count in counter.get_flop_counts()['Global'].items()
        if 'attention' not in str(name)
    )


def test_the_released_size_takes_2_85_tflop():
    """Counted by hand from the layers' sizes: ViT 0.99, VLM 1.45, ten steps 0.41."""
    config = ModelConfig.released_4b()
    stages = {n: sum(parts.values()) / 1e12 for n, parts in stage_flops(config).items()}
    assert stages['views'] == pytest.approx(0.99, abs=0.02)
    assert stages['prefix'] == pytest.approx(1.45, abs=0.03)
    assert stages['step'] == pytest.approx(0.041, abs=0.002)
    assert chunk_flops(config, 10) / 1e12 == pytest.approx(2.85, abs=0.05)


def test_the_mid_model_has_66_million_parameters():
    model = random_model(size_of('mid'), torch.bfloat16)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(66e6, rel=0.02)


def test_a_measurement_says_where_and_how_it_was_made():
    args = Namespace(
        size='tiny',
        device='cpu',
        precisions='reference',
        paths='model,eager',
        guidance=None,
        steps=2,
        views=1,
        prompt=24,
        runs=2,
        warm_ups=1,
    )
    result = run(args)
    assert json.loads(json.dumps(result)) == result
    assert {'processor', 'torch', 'load_average', 'threads'} <= result['machine'].keys()
    plain, engine = result['rows']
    assert plain['path'] == 'model' and engine['path'] == 'eager'
    assert engine['stages_ms'].keys() == {'write', 'views', 'prefix', 'step', 'download'}
    assert 0 < engine['peak_share'] < 1
    assert 'TFLOP a chunk' in table(result)


def test_the_gpu_script_is_sound_and_runs_only_what_there_is():
    script = ROOT / 'benchmarks' / 'gpu.sh'
    assert not subprocess.run(['bash', '-n', script], capture_output=True, text=True).stderr
    text = script.read_text()
    assert 'timeout' in text
    for module in ('benchmarks.inference', 'benchmarks.numerics'):
        assert f'-m {module}' in text


def test_results_name_their_machine():
    results = sorted((ROOT / 'benchmarks' / 'results').glob('*.json'))
    for path in results:
        result = json.loads(path.read_text())
        assert result['machine']['processor'], path.name
        assert result['machine']['load_average'] is not None, path.name
        assert result['rows'], path.name
