# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""From a folder of released weights to a bundle, and everything that may be wrong on the way."""

import json

import numpy as np
import pytest

from lingbot_policy.bundle import load_bundle
from lingbot_policy.import_facts import Choices, parse_normalization
from lingbot_policy.import_weights import import_weights

LATER_JOINTS = [{'arm.position': 14}, {'effector.position': 2}]


def refusal(download, robot, tmp_path, **changes) -> str:
    with pytest.raises(ValueError) as error:
        import_weights(download.weights, robot, tmp_path / 'out', download.choices(**changes))
    assert not (tmp_path / 'out').exists()
    return str(error.value)


def test_a_download_becomes_a_bundle_that_verifies(download, robot, tmp_path):
    imported = import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    bundle = load_bundle(tmp_path / 'b', robot)
    contract = bundle.contract
    assert contract == imported.contract
    assert (contract.layout, contract.relative_arms, contract.horizon) == ('raw_14', False, 50)
    assert contract.normalization == dict.fromkeys(contract.normalization, 'bounds_99_woclip')
    assert (contract.time_grid, contract.first_step_offset) == ('rounded_bf16', 0.0)
    assert contract.rate_hz == robot.file.policy_rate_hz
    assert bundle.config.prompt_length == 24
    assert set(contract.hashes) >= {'config.json', 'model.safetensors', 'tokenizer.json'}


def test_every_decision_says_where_it_was_found(download, robot, tmp_path):
    origins = import_weights(
        download.weights, robot, tmp_path / 'b', download.choices(prompt_length=72)
    ).origins
    assert origins['layout'] == 'raw_14 (--layout)'
    assert origins['prompt_length'] == '72 (--prompt-length)'
    assert 'data.norm_type in lingbotvla_cli.yaml' in origins['normalization']
    assert str(download.cli) in origins['architecture']
    assert robot.path in origins['rate_hz']


def test_weights_are_linked_and_not_rewritten(download, robot, tmp_path):
    before = (download.weights / 'model.safetensors').read_bytes()
    import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    linked = tmp_path / 'b' / 'model.safetensors'
    assert not (tmp_path / 'b' / 'norm_stats.json').samefile(download.stats)
    assert linked.samefile(download.weights / 'model.safetensors')
    assert linked.read_bytes() == before


def test_shards_come_with_their_index(download, robot, tmp_path):
    whole = download.weights / 'model.safetensors'
    shard = whole.rename(download.weights / 'model-00001-of-00001.safetensors')
    header = json.loads(
        shard.read_bytes()[8 : 8 + int.from_bytes(shard.read_bytes()[:8], 'little')]
    )
    names = [name for name in header if name != '__metadata__']
    index = {'metadata': {}, 'weight_map': dict.fromkeys(names, shard.name)}
    (download.weights / 'model.safetensors.index.json').write_text(json.dumps(index))
    import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    assert set(load_bundle(tmp_path / 'b').contract.hashes) >= {
        'model.safetensors.index.json',
        shard.name,
    }


def test_everything_that_has_to_be_given_is_asked_for_at_once(download, robot, tmp_path):
    download.cli.unlink()
    config = json.loads((download.weights / 'config.json').read_text())
    config.pop('flags')
    (download.weights / 'config.json').write_text(json.dumps(config))
    with pytest.raises(ValueError) as error:
        import_weights(download.weights, robot, tmp_path / 'b', Choices())
    for option in (
        '--cli',
        '--layout',
        '--normalization',
        '--stats',
        '--tokenizer',
        '--prompt-length',
    ):
        assert option in str(error.value)


def test_a_command_line_given_by_hand_comes_first(download, robot, tmp_path):
    other = tmp_path / 'other.yaml'
    other.write_text(download.cli.read_text().replace('24', '31'))
    imported = import_weights(download.weights, robot, tmp_path / 'b', download.choices(cli=other))
    assert imported.origins['prompt_length'].startswith('31')
    assert '--cli' in refusal(download, robot, tmp_path, cli=tmp_path / 'nowhere.yaml')


def test_relative_arms_have_to_be_given_where_the_files_do_not_say(download, robot, tmp_path):
    download.edit_cli('data', joints=LATER_JOINTS)
    text = refusal(download, robot, tmp_path, layout=None)
    assert '--relative-arms or --absolute-arms' in text
    imported = import_weights(
        download.weights, robot, tmp_path / 'b', download.choices(layout=None, relative_arms=True)
    )
    assert imported.contract.relative_arms
    assert imported.contract.layout == 'concat_groups'


def test_other_data_than_robotwin_does_not_say_whether_arms_are_relative(
    download, robot, tmp_path
):
    download.edit_cli('data', data_name='my_robot')
    assert '--relative-arms or --absolute-arms' in refusal(download, robot, tmp_path)


def test_statistics_per_step_mean_relative_arms(download, robot, tmp_path):
    per_step = {name: np.tile(np.full(12, v), (50, 1)) for name, v in (('q01', -1), ('q99', 1))}
    download.edit_stats('action.arm.position', **per_step)
    imported = import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    assert imported.contract.relative_arms
    assert 'statistics per step' in imported.origins['relative_arms']
    assert '--absolute-arms contradicts' in refusal(download, robot, tmp_path, relative_arms=False)


def test_statistics_for_fewer_steps_than_the_chunk_has_are_refused(download, robot, tmp_path):
    per_step = {name: np.tile(np.full(12, v), (25, 1)) for name, v in (('q01', -1), ('q99', 1))}
    download.edit_stats('action.arm.position', **per_step)
    assert 'statistics for 25 steps, the chunk has 50' in refusal(download, robot, tmp_path)


def test_formulas_per_group_are_read_as_upstream_writes_them(download, robot, tmp_path):
    named = [{'arm.position': 'meanstd'}, {'effector.position': 'identity'}]
    download.edit_cli('data', norm_type=named)
    imported = import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    assert imported.contract.normalization == {
        'arm.position': 'meanstd',
        'effector.position': 'identity',
    }


def test_options_which_contradict_the_files_are_refused_with_both_values(
    download, robot, tmp_path
):
    download.edit_cli('data', joints=LATER_JOINTS)
    text = refusal(
        download, robot, tmp_path, layout='pretrain', normalization='meanstd', relative_arms=False
    )
    assert 'data.joints says concat_groups, --layout says pretrain' in text
    assert 'data.norm_type says' in text
    assert '--normalization says' in text


def test_a_layout_with_slots_training_never_supervised_is_refused(download, robot, tmp_path):
    text = refusal(download, robot, tmp_path, layout='concat_groups')
    assert "slots 0 .. 13, layout 'concat_groups' puts joint 'fr_gripper' at slot 15" in text


@pytest.mark.parametrize('flag', ['norm_qkv', 'vlm_causal', 'separate_time_proj'])
def test_another_architecture_is_refused_by_its_flag(download, robot, tmp_path, flag):
    released = {'type': 'pi0', 'chunk_size': 50, 'max_action_dim': 75, 'max_state_dim': 75}
    (download.weights / 'config.json').write_text(json.dumps(released))
    download.edit_cli('model', **{flag: True})
    text = refusal(download, robot, tmp_path)
    assert f'{flag} = True' in text
    assert str(download.cli) in text


def test_a_config_of_the_released_form_gives_the_4b_sizes(download, robot, tmp_path):
    released = {'type': 'pi0', 'chunk_size': 50, 'max_action_dim': 75, 'tokenizer_max_length': 48}
    (download.weights / 'config.json').write_text(json.dumps(released))
    import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    config = load_bundle(tmp_path / 'b').config
    assert (config.vlm.width, config.expert.width, config.vlm.layers) == (2048, 768, 36)
    assert config.prompt_length == 24  # the command line overwrote the file in training


def test_a_shard_that_was_cut_off_is_refused(download, robot, tmp_path):
    path = download.weights / 'model.safetensors'
    path.write_bytes(path.read_bytes()[:-10])
    assert 'model.safetensors: found 1640362 bytes, expected 1640372' in refusal(
        download, robot, tmp_path
    )


def test_statistics_of_another_robot_are_refused(download, robot, tmp_path):
    download.edit_stats('observation.state.arm.position', q01=[0.0] * 14, q99=[1.0] * 14)
    text = refusal(download, robot, tmp_path)
    assert 'observation.state.arm.position' in text


def test_weights_for_end_effector_poses_are_refused(download, robot, tmp_path):
    download.edit_cli('data', data_name='libero_10')
    assert 'end-effector poses, not joints' in refusal(download, robot, tmp_path)


def test_a_bundle_is_never_written_over(download, robot, tmp_path):
    import_weights(download.weights, robot, tmp_path / 'b', download.choices())
    with pytest.raises(ValueError, match=r'b exists; give a new folder'):
        import_weights(download.weights, robot, tmp_path / 'b', download.choices())


def test_one_formula_stands_for_arms_and_grippers():
    assert parse_normalization('meanstd')['effector.position'] == 'meanstd'
    assert parse_normalization('meanstd, identity')['effector.position'] == 'identity'
    with pytest.raises(ValueError, match=r'expected one formula, or two'):
        parse_normalization('meanstd,identity,std')
