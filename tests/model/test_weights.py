# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import replace
import json
import logging
from pathlib import Path
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file
import torch

from lingbot_policy.model import safetensors_file
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.released import read_released_config
from lingbot_policy.model.weights import load_model, pieces, QUERY_BANK, save_weights

DATA = Path(__file__).parents[1] / 'data'


def same_parameters(model, other):
    pairs = zip(model.named_parameters(), other.named_parameters(), strict=True)
    return all(ours == theirs and torch.equal(p, q) for (ours, p), (theirs, q) in pairs)


@pytest.mark.parametrize('depth', [False, True])
def test_the_released_model_has_upstreams_tensors_names_and_shapes(depth):
    config = ModelConfig.released_4b(depth=depth)
    with torch.device('meta'):
        model = LingBotVLA(config)
    ours = {piece.name: list(piece.shape) for piece in pieces(model)}
    ours.pop(QUERY_BANK, None)

    expected = {}
    file = DATA / f'state_dict_keys_4b{"_depth" if depth else ""}.tsv'
    for line in file.read_text().splitlines():
        pattern, count, shape = line.split('\t')
        for layer in range(int(count)):
            expected[pattern.replace('.N.', f'.{layer}.')] = json.loads(shape)
    assert ours == expected

    parameters = sum(p.numel() for n, p in model.named_parameters() if n != 'depth.query_bank')
    assert parameters == (4_217_368_139 if depth else 4_197_425_739)
    if not depth:
        assert len(ours) == 1555


def test_saving_and_loading_gives_the_same_model(tiny_model, tmp_path):
    save_weights(tiny_model, tmp_path)
    loaded = load_model(tmp_path, tiny_model.config)
    assert same_parameters(tiny_model, loaded)
    assert not loaded.training
    buffers = zip(tiny_model.buffers(), loaded.buffers(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in buffers)


@pytest.mark.parametrize('folder', ['released', 'depth_query'])
def test_a_released_file_is_written_back_as_it_was(folder, tmp_path):
    source = DATA / 'oracle' / folder
    model = load_model(source, read_released_config(source))
    save_weights(model, tmp_path / 'again.safetensors')
    again, original = (
        load_file(tmp_path / 'again.safetensors'),
        load_file(source / 'model.safetensors'),
    )
    assert set(again) - set(original) <= {QUERY_BANK}
    assert all(torch.equal(again[name], original[name]) for name in original)


def test_shards_are_written_with_an_index_and_read_back(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors_file, 'SHARD_BYTES', 160_000)
    save_weights(tiny_model, tmp_path)
    shards = sorted(tmp_path.glob('*.safetensors'))
    assert len(shards) > 1
    assert shards[0].name == f'model-00001-of-{len(shards):05}.safetensors'
    assert all(shard.stat().st_size < 190_000 for shard in shards)
    index = json.loads((tmp_path / 'model.safetensors.index.json').read_text())
    assert index['metadata']['total_size'] == sum(p.nbytes for p in tiny_model.parameters())
    assert set(load_file(shards[0])) == {
        name for name, file in index['weight_map'].items() if file == shards[0].name
    }
    assert same_parameters(tiny_model, load_model(tmp_path, tiny_model.config))


def test_an_earlier_save_in_the_folder_is_replaced(tiny_model, tmp_path, monkeypatch):
    with monkeypatch.context() as small_shards:
        small_shards.setattr(safetensors_file, 'SHARD_BYTES', 160_000)
        save_weights(tiny_model, tmp_path)
    tiny_model.state_proj.weight.data.zero_()
    save_weights(tiny_model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ['model.safetensors']
    assert same_parameters(tiny_model, load_model(tmp_path, tiny_model.config))


def test_values_are_converted_to_the_asked_dtype(tiny_model, tmp_path):
    save_weights(tiny_model, tmp_path / 'fp32')
    half = load_model(tmp_path / 'fp32', tiny_model.config, torch.bfloat16)
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    save_weights(half, tmp_path / 'bf16')
    back = load_model(tmp_path / 'bf16', tiny_model.config, torch.float32)
    assert same_parameters(tiny_model.bfloat16().float(), back)


def test_chunks_smaller_than_a_tensor_are_joined(tiny_model, tmp_path, monkeypatch):
    save_weights(tiny_model, tmp_path)
    monkeypatch.setattr(safetensors_file, 'CHUNK_BYTES', 1000)
    assert same_parameters(tiny_model, load_model(tmp_path, tiny_model.config))


def test_all_misfits_are_told_at_once(tiny_model, tmp_path):
    save_weights(tiny_model, tmp_path)
    file = tmp_path / 'model.safetensors'
    weights = load_file(file)
    weights['model.state_proj.weight'] = weights['model.state_proj.weight'][:, :3].contiguous()
    weights['lm_head.weight'] = torch.zeros(2)
    del weights['model.action_in_proj.bias'], weights['model.action_out_proj.bias']
    save_file(weights, file)
    with pytest.raises(ValueError) as error:
        load_model(tmp_path, tiny_model.config)
    message = str(error.value)
    assert '2 missing: model.action_in_proj.bias, model.action_out_proj.bias' in message
    assert '1 unexpected: lm_head.weight' in message
    assert 'model.state_proj.weight: found (24, 3), expected (24, 7)' in message


@pytest.mark.parametrize('keep', [4, 100, -1])
def test_a_file_that_is_cut_off_is_named(tiny_model, tmp_path, keep):
    save_weights(tiny_model, tmp_path)
    file = tmp_path / 'model.safetensors'
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=rf'{file} is cut off'):
        load_model(tmp_path, tiny_model.config)


def test_what_is_not_a_weights_file_is_named(tiny_model, tmp_path):
    file = tmp_path / 'model.safetensors'
    file.write_bytes((5).to_bytes(8, 'little') + b'hello world')
    with pytest.raises(ValueError, match=f'{file} is not a safetensors file'):
        load_model(tmp_path, tiny_model.config)


def test_a_shard_that_the_index_names_must_be_there(tiny_model, tmp_path, monkeypatch):
    monkeypatch.setattr(safetensors_file, 'SHARD_BYTES', 160_000)
    save_weights(tiny_model, tmp_path)
    shard = sorted(tmp_path.glob('*.safetensors'))[1]
    shard.unlink()
    with pytest.raises(ValueError, match=f'names shards that are not there: {shard.name}'):
        load_model(tmp_path, tiny_model.config)


def test_a_tensor_in_two_files_is_refused(tiny_model, tmp_path):
    save_weights(tiny_model, tmp_path / 'a.safetensors')
    save_weights(tiny_model, tmp_path / 'b.safetensors')
    with pytest.raises(ValueError, match='keep one'):
        load_model(tmp_path, tiny_model.config)


def test_a_folder_without_weights_is_named(tiny_model, tmp_path):
    with pytest.raises(ValueError, match=rf'{tmp_path}: found no \*\.safetensors'):
        load_model(tmp_path, tiny_model.config)


def test_a_missing_query_bank_is_drawn_from_a_seed_and_logged(caplog):
    source = DATA / 'oracle' / 'depth_query'
    config = read_released_config(source)
    with caplog.at_level(logging.WARNING):
        banks = [load_model(source, config).depth.query_bank.detach() for _ in range(2)]
    assert f'the weights have no {QUERY_BANK}; drawn from seed 42' in caplog.text
    assert torch.equal(*banks)
    assert banks[0].std() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(banks[0], LingBotVLA(config).depth.query_bank)


# VmHWM, as ru_maxrss of a child starts at its parent's peak.
PEAK_MEMORY = """
import json, re, sys, torch
from pathlib import Path
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.weights import load_model
peak = lambda: 1024 * int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])
config = ModelConfig.from_dict(json.loads(sys.argv[2]))
with torch.device('meta'):
    LingBotVLA(config)  # what PyTorch imports for it is not the loader's
before = peak()
model = load_model(sys.argv[1], config, getattr(torch, sys.argv[3]))
size = sum(p.nbytes for p in model.parameters())
print(size, (peak() - before) / size)
"""


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_loading_needs_hardly_more_memory_than_the_model(tiny_config, tmp_path, dtype):
    wide = replace(tiny_config.vlm, width=1024, mlp=16_000)
    config = replace(tiny_config, vocabulary=20_000, vlm=wide)
    with torch.device('meta'):
        model = LingBotVLA(config)
    save_weights(model.to_empty(device='cpu'), tmp_path)
    arguments = [str(tmp_path), json.dumps(config.to_dict()), dtype]
    result = subprocess.run(
        [sys.executable, '-c', PEAK_MEMORY, *arguments], capture_output=True, text=True, check=True
    )
    size, ratio = map(float, result.stdout.split())
    assert size > (140e6 if dtype == 'bfloat16' else 280e6)
    assert 0.9 < ratio < 1.2, ratio
