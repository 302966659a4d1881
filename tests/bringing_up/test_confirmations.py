# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What an operator confirmed holds for one robot, and for the values that were confirmed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lingbot_policy.commissioning.confirmations import (
    Confirmations,
    load_confirmations,
    motion_digest,
    require_confirmed,
    save_confirmations,
    shown_by_motion,
    unconfirmed,
)
from lingbot_policy.robot import load_robot, Robot, robot_names

SERIAL = 'PIPER-07'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('LINGBOT_CONFIG_DIR', str(tmp_path / 'config'))
    return tmp_path / 'config' / 'confirmations'


def confirm_all(robot: Robot, serial: str = SERIAL) -> None:
    empty = Confirmations(robot.name, serial, motion_digest(robot))
    save_confirmations(robot, empty.with_fields(robot.assumed_motion_fields, 'operator'))


def test_what_is_saved_comes_back_for_this_serial_only(folder):
    robot = load_robot('agilex_cobot_magic')
    confirm_all(robot)
    assert unconfirmed(robot, load_confirmations(robot, SERIAL)) == ()
    assert unconfirmed(robot, load_confirmations(robot, 'PIPER-08')) == robot.assumed_motion_fields
    assert [path.name for path in folder.iterdir()] == ['agilex_cobot_magic_PIPER-07.json']


@pytest.mark.parametrize(
    ('path', 'value'),
    [
        ('safety.following_error_rad', 0.2),
        ('arms.left.command.unit', 'deg'),
        ('grippers.right.command.closed', 0.01),
        ('command_topics.left.topic', '/elsewhere'),
        ('command_topics.left.fill', {'velocity': [0, 0, 0, 0, 0, 0, 60]}),
        ('command_rate_hz', 100),
    ],
)
def test_editing_a_field_which_bears_on_motion_voids_all(
    robot_file: Callable[..., Robot], path, value
):
    confirm_all(robot_file('agilex_cobot_magic'))
    edited = robot_file('agilex_cobot_magic', **{path: value})
    found = load_confirmations(edited, SERIAL)
    assert found.voided
    assert unconfirmed(edited, found) == edited.assumed_motion_fields
    with pytest.raises(ValueError, match=f'{SERIAL} is void: motion fields were edited'):
        require_confirmed(edited, SERIAL, operator_confirms=True)


def test_editing_a_camera_or_a_title_voids_nothing(robot_file):
    confirm_all(robot_file('agilex_cobot_magic'))
    changes = {'title': 'Ours', 'cameras.head.encoding': 'bgr8', 'sources': ['elsewhere']}
    edited = robot_file('agilex_cobot_magic', **changes)
    assert unconfirmed(edited, load_confirmations(edited, SERIAL)) == ()


def test_arming_is_refused_by_one_checklist_of_all_that_is_open():
    robot = load_robot('realman_rs02')
    with pytest.raises(ValueError, match='needs an operator') as refusal:
        require_confirmed(robot, '', operator_confirms=False)
    said = str(refusal.value)
    assert robot.file.arming[0].text in said
    assert "serial: found ''" in said
    for path in robot.assumed_motion_fields:
        assert f'[ ] assumed: {path} = ' in said
    assert 'command_topics.left.topic = "' in said


def test_the_operators_word_does_not_stand_for_what_is_assumed():
    robot = load_robot('agilex_cobot_magic')
    with pytest.raises(ValueError, match=r'arms\.left\.safe_max') as refusal:
        require_confirmed(robot, SERIAL, operator_confirms=True)
    assert 'operator_confirms' not in str(refusal.value)
    confirm_all(robot)
    require_confirmed(robot, SERIAL, operator_confirms=True)
    with pytest.raises(ValueError, match='operator_confirms: the arming steps') as refusal:
        require_confirmed(robot, SERIAL, operator_confirms=False)
    assert 'assumed' not in str(refusal.value)


def test_a_simulated_robot_confirms_nothing_of_a_real_one():
    robot = load_robot('agilex_cobot_magic')
    confirm_all(robot, 'simulation')
    with pytest.raises(ValueError, match="serial: found 'simulation'"):
        require_confirmed(robot, 'simulation', operator_confirms=True)


def test_a_robot_without_assumptions_needs_no_serial(robot_file):
    known = robot_file('agilex_cobot_magic', assumed=['cameras.head.encoding', 'geometry'])
    require_confirmed(known, '', operator_confirms=True)


@pytest.mark.parametrize('serial', ['../other', 'a b', '.hidden', '', 'x' * 65])
def test_a_serial_is_no_path(serial):
    robot = load_robot('agilex_cobot_magic')
    with pytest.raises(ValueError, match='name plate'):
        load_confirmations(robot, serial)


@pytest.mark.parametrize('text', ['', '{}', '[1]', '{"robot": "x", "other": 1}', '\x00'])
def test_a_broken_file_is_named_and_confirms_nothing(folder, text):
    robot = load_robot('agilex_cobot_magic')
    folder.mkdir(parents=True)
    path = folder / f'agilex_cobot_magic_{SERIAL}.json'
    path.write_text(text)
    with pytest.raises(ValueError, match='jog again') as refusal:
        load_confirmations(robot, SERIAL)
    assert str(path) in str(refusal.value)


@pytest.mark.parametrize('name', robot_names())
def test_motion_shows_orders_and_topics_but_no_limit(name):
    robot = load_robot(name)
    for path in shown_by_motion(robot):
        assert not any(word in path for word in ('velocity', 'acceleration', 'lower', 'fill'))
    shown = {p for p in robot.assumed_motion_fields if p.endswith(('.topic', '.joints'))}
    assert shown <= set(shown_by_motion(robot))


def test_joints_and_fields_gather():
    one = Confirmations('r', SERIAL, 'd').with_joint('j1', 'today').with_joint('j2', 'today')
    both = one.with_fields(('a',), 'motion').with_fields(('b',), 'operator')
    assert dict(both.joints) == {'j1': 'today', 'j2': 'today'}
    assert dict(replace(both).fields) == {'a': 'motion', 'b': 'operator'}
