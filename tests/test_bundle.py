# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles: everything that is missing or does not fit comes in one error."""

from dataclasses import replace
import json
import os
from pathlib import Path

import numpy as np
import pytest

from lingbot_policy.bundle import config_text, load_bundle, write_bundle, write_shared
from lingbot_policy.contract import parse_contract, scripted_contract
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.robot import load_robot, parse_robot

ROBOT = load_robot('agilex_cobot_magic')
CONTRACT = scripted_contract('tiny', ROBOT).model_copy(
    update={'normalization': {'arm.position': 'meanstd', 'effector.position': 'identity'}}
)


def weights_bytes() -> bytes:
    """Return a safetensors file with one tensor of four bytes."""
    header = json.dumps({'a': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}).encode()
    return len(header).to_bytes(8, 'little') + header + np.float32(1.0).tobytes()


def bundle_files(folder: Path) -> dict:
    weights = folder / 'weights.bin'
    weights.write_bytes(weights_bytes())
    arms = {'mean': [0.0] * 12, 'std': [1.0] * 12}
    features = {'action.arm.position': arms, 'observation.state.arm.position': arms}
    return {
        'config.json': config_text(ModelConfig.released_4b()),
        'model.safetensors': weights,
        'norm_stats.json': json.dumps({'norm_stats': features}),
        'tokenizer.json': '{}',
    }


@pytest.fixture
def folder(tmp_path):
    write_bundle(tmp_path / 'bundle', CONTRACT, bundle_files(tmp_path))
    return tmp_path / 'bundle'


def refusal(folder: Path, robot=ROBOT) -> str:
    with pytest.raises(ValueError) as error:
        load_bundle(folder, robot)
    return str(error.value)


def test_a_written_bundle_is_read_back_whole(folder):
    bundle = load_bundle(folder, ROBOT)
    assert bundle.config == ModelConfig.released_4b()
    assert bundle.contract.model_copy(update={'hashes': {}}) == CONTRACT
    assert set(bundle.contract.hashes) == {
        'config.json',
        'model.safetensors',
        'norm_stats.json',
        'tokenizer.json',
    }


def test_everything_that_is_missing_comes_in_one_error(folder):
    for name in ('config.json', 'model.safetensors', 'norm_stats.json', 'tokenizer.json'):
        (folder / name).unlink()
    text = refusal(folder)
    for part in (
        'config.json: missing',
        'model.safetensors: missing, and so is model.safetensors.index.json',
        'norm_stats.json: missing',
        'tokenizer.json: missing',
        'tokenizer.json: sealed as',
    ):
        assert part in text


def test_a_bundle_without_contract_is_none(folder):
    (folder / 'policy.yaml').unlink()
    assert 'policy.yaml: missing' in refusal(folder)


def test_changed_weights_are_noticed(folder):
    path = folder / 'model.safetensors'
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()  # the file is linked to the one it came from
    path.write_bytes(content)
    assert 'model.safetensors: sealed as' in refusal(folder)


def test_weights_which_were_cut_off_are_told_with_both_sizes(folder):
    path = folder / 'model.safetensors'
    size = path.stat().st_size
    os.truncate(path, size - 2)
    assert f'model.safetensors: found {size - 2} bytes, expected {size}' in refusal(folder)


def test_shards_an_index_names_have_to_be_there(folder):
    index = {'weight_map': {'a': 'model-00001-of-00002.safetensors'}}
    (folder / 'model.safetensors.index.json').write_text(json.dumps(index))
    assert "shards ['model-00001-of-00002.safetensors'] are missing" in refusal(folder)


def test_robot_statistics_and_sizes_are_compared_with_the_contract(tmp_path):
    contract = CONTRACT.model_copy(
        update={
            'horizon': 25,
            'layout': 'raw_14',
            'normalization': {'arm.position': 'bounds_99', 'effector.position': 'identity'},
        }
    )
    write_bundle(tmp_path / 'b', contract, bundle_files(tmp_path))
    text = refusal(tmp_path / 'b')
    assert 'horizon: policy.yaml has 25, config.json has 50' in text
    assert "formula 'bounds_99' needs 'q01'; found ['mean', 'std']" in text


def test_a_model_with_too_few_slots_for_the_robot_is_refused(tmp_path):
    small = config_text(replace(ModelConfig.released_4b(), max_action_dim=14))
    write_bundle(tmp_path / 'b', CONTRACT, bundle_files(tmp_path) | {'config.json': small})
    assert "needs slot 15 in layout 'concat_groups', the model has 14" in refusal(tmp_path / 'b')


def test_a_bundle_for_another_robot_names_both(folder):
    text = ROBOT.text.replace('name: agilex_cobot_magic', 'name: other')
    assert 'robot: policy has agilex_cobot_magic, robot has other' in refusal(
        folder, parse_robot(text, 'other.yaml')
    )


def test_a_contract_without_hashes_is_not_sealed(folder):
    contract = parse_contract((folder / 'policy.yaml').read_text(), 'policy.yaml')
    unsealed = contract.model_copy(update={'hashes': {}})
    (folder / 'policy.yaml').write_text(unsealed.to_yaml())
    assert 'expected a sealed contract' in refusal(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'nowhere: no such folder'):
        load_bundle(tmp_path / 'nowhere')


def test_an_interrupted_write_leaves_no_bundle(tmp_path):
    files = bundle_files(tmp_path) | {'lost': tmp_path / 'lost'}
    with pytest.raises(FileNotFoundError):
        write_bundle(tmp_path / 'b', CONTRACT, files)
    assert not (tmp_path / 'b').exists()
    write_bundle(tmp_path / 'b', CONTRACT, bundle_files(tmp_path))
    assert load_bundle(tmp_path / 'b', ROBOT).contract.hashes


def test_a_linked_download_is_copied_and_not_its_link(tmp_path):
    files = bundle_files(tmp_path)
    link = tmp_path / 'link'
    link.symlink_to(files['model.safetensors'])
    write_bundle(tmp_path / 'b', CONTRACT, files | {'model.safetensors': link})
    assert not (tmp_path / 'b' / 'model.safetensors').is_symlink()


@pytest.fixture
def sharing(tmp_path):
    """Return two bundles with statistics of their own, and all else in the folder beside them."""
    files = bundle_files(tmp_path)
    stats = files.pop('norm_stats.json')
    write_shared(tmp_path / 'common', files)
    for name in ('one', 'two'):
        contract = CONTRACT.model_copy(update={'shares': 'common'})
        write_bundle(tmp_path / name, contract, {'norm_stats.json': stats})
    return tmp_path


def test_bundles_share_one_copy_of_the_weights(sharing, monkeypatch):
    weights = [path.parent.name for path in sharing.rglob('*.safetensors')]
    assert weights == ['common']
    for name in ('one', 'two'):
        bundle = load_bundle(sharing / name, ROBOT)
        assert bundle.model_folder == sharing / 'common'
        assert set(bundle.contract.hashes) == {
            'config.json',
            'model.safetensors',
            'norm_stats.json',
            'tokenizer.json',
        }
    monkeypatch.chdir(sharing / 'one')
    assert load_bundle(Path('.'), ROBOT).model_folder == sharing / 'common'


def test_a_change_of_what_is_shared_is_noticed_by_every_bundle(sharing):
    (sharing / 'common' / 'tokenizer.json').write_text('{"other": 1}')
    (sharing / 'common' / 'added').write_text('')
    for name in ('one', 'two'):
        text = refusal(sharing / name)
        assert 'tokenizer.json: sealed as' in text
        assert 'added: not sealed' in text


def test_a_shared_folder_which_was_not_copied_along_is_named(sharing):
    (sharing / 'common').rename(sharing / 'elsewhere')
    text = refusal(sharing / 'one')
    assert f'shares: found no folder {sharing / "common"}' in text
    assert 'model.safetensors: missing' in text


def test_a_file_both_here_and_there_is_refused(sharing):
    (sharing / 'one' / 'config.json').write_text('{}')
    assert "shares: found ['config.json'] in one and in common; keep one" in refusal(
        sharing / 'one'
    )
    load_bundle(sharing / 'two', ROBOT)
    with pytest.raises(ValueError, match=r"found \['tokenizer.json'\]"):
        contract = CONTRACT.model_copy(update={'shares': 'common'})
        write_bundle(sharing / 'three', contract, {'tokenizer.json': '{}'})
    assert not (sharing / 'three').exists()


def test_the_shared_folder_alone_is_no_bundle(sharing):
    assert 'policy.yaml: missing' in refusal(sharing / 'common')
