# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The contract: what differs is named with both values, and a file never changes unseen."""

from pathlib import Path

import pytest

from lingbot_policy.contract import file_hashes, parse_contract, PolicyContract, scripted_contract
from lingbot_policy.robot import load_robot, parse_robot

ROBOT = load_robot('agilex_cobot_magic')
CONTRACT = scripted_contract('test', ROBOT).model_copy(update={'rate_hz': 30.0})


def test_a_contract_comes_back_from_its_file_and_from_its_message():
    contract = CONTRACT.model_copy(
        update={'normalization': {'arm.position': 'meanstd', 'effector.position': 'identity'}}
    )
    assert parse_contract(contract.to_yaml(), 'policy.yaml') == contract
    assert parse_contract(contract.to_json(), 'policy_contract') == contract


@pytest.mark.parametrize(
    'change',
    [{'first_step_offset': 1.0}, {'relative_arms': True}, {'hashes': {'a': 'b'}}, {'steps': 5}],
)
def test_any_change_of_meaning_changes_the_digest(change):
    assert CONTRACT.model_copy(update=change).digest != CONTRACT.digest


def test_where_the_files_lie_changes_no_meaning():
    assert CONTRACT.model_copy(update={'shares': 'common'}).digest == CONTRACT.digest


@pytest.mark.parametrize('place', ['../common', '/etc', '..', 'a/b'])
def test_only_a_folder_beside_the_bundle_can_be_shared(place):
    text = CONTRACT.to_yaml().replace("shares: ''", f'shares: {place}')
    with pytest.raises(ValueError, match=r'policy\.yaml: shares: found'):
        parse_contract(text, 'policy.yaml')


def test_another_robot_is_refused_with_field_and_both_values():
    text = ROBOT.text.replace('name: agilex_cobot_magic', 'name: other')
    text = text.replace('fl_joint1', 'left_waist')
    with pytest.raises(ValueError) as error:
        CONTRACT.require(parse_robot(text, 'other.yaml'))
    for part in (
        'robot: policy has agilex_cobot_magic, robot has other',
        'joints: ',
        'left_waist',
    ):
        assert part in str(error.value)


def test_a_camera_the_robot_lacks_is_named():
    contract = CONTRACT.model_copy(update={'cameras': ('head', 'chest')})
    assert contract.mismatches(ROBOT) == [
        "cameras: policy needs ['chest'], robot has ['head', 'left_wrist', 'right_wrist']"
    ]


def test_two_contracts_are_told_apart_field_by_field():
    other = CONTRACT.model_copy(update={'rate_hz': 15.0, 'layout': 'raw_14'})
    assert CONTRACT.differences(other) == [
        'rate_hz: 30.0 and 15.0',
        "layout: 'concat_groups' and 'raw_14'",
    ]
    assert CONTRACT.differences(CONTRACT) == []


def test_a_sealed_folder_tells_what_changed_what_is_missing_and_what_was_added(tmp_path):
    for name in ('changed', 'lost', 'kept'):
        (tmp_path / name).write_text(name)
    sealed = CONTRACT.seal(tmp_path)
    assert sealed.file_mismatches(tmp_path) == []
    before = file_hashes(tmp_path)['changed'][:12]
    (tmp_path / 'changed').write_text('other')
    (tmp_path / 'lost').unlink()
    (tmp_path / 'new').write_text('new')
    changed, lost, new = sealed.file_mismatches(tmp_path)
    assert changed.startswith(f'changed: sealed as {before}, file is ')
    assert lost.endswith('file is missing')
    assert new.startswith('new: not sealed, file is ')


def test_neither_the_contract_itself_nor_hidden_files_are_sealed(tmp_path):
    (tmp_path / 'policy.yaml').write_text('anything')
    (tmp_path / '.DS_Store').write_text('anything')
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'sub' / 'a').write_text('a')
    assert list(CONTRACT.seal(tmp_path).hashes) == ['sub/a']


def test_every_fault_of_a_file_is_told_with_field_found_and_expected():
    text = CONTRACT.to_yaml().replace('horizon: 50', "horizon: '50'")
    text = text.replace('rate_hz: 30.0', 'rate_hz: -1.0').replace(
        'robot: agilex', 'robots: agilex'
    )
    with pytest.raises(ValueError) as error:
        parse_contract(text, 'policy.yaml')
    lines = str(error.value).splitlines()
    assert len(lines) == 4
    assert "policy.yaml: horizon: found '50', expected: Input should be a valid integer" in lines
    assert 'policy.yaml: robot: found nothing, expected a value' in lines
    assert any(line.startswith('policy.yaml: rate_hz: found -1.0') for line in lines)
    assert any('robots: found' in line and 'no such field' in line for line in lines)


@pytest.mark.parametrize('text', ['', '[1, 2]', 'a: [', 'rate_hz: .nan'])
def test_a_file_which_is_no_contract_is_refused_by_name(text):
    with pytest.raises(ValueError, match=r'^policy\.yaml: '):
        parse_contract(text, 'policy.yaml')


def test_a_contract_cannot_be_changed_in_place():
    with pytest.raises(ValueError, match='frozen'):
        CONTRACT.robot = 'other'
    assert isinstance(CONTRACT, PolicyContract)


def test_the_digest_of_an_older_contract_outlives_new_fields():
    """It stands in every recording; a field which says nothing new of it must not change it."""
    path = Path(__file__).parent / 'data' / 'policy_without_later_fields.yaml'
    older = parse_contract(path.read_text(), 'policy.yaml')
    assert older.digest == '0f21f69e08bf3070'
    assert older.model_copy(update={'shares': 'elsewhere'}).digest == older.digest
    assert older.model_copy(update={'rtc_trained_steps': 1}).digest != older.digest
