# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot file: what it gives, and how each of its faults is told."""

import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import yaml

from lingbot_policy.robot import load_robot, parse_robot, robot_names

ODD = Path(__file__).parents[1] / 'data' / 'robots' / 'odd.yaml'
GONE = object()


def changed(changes: dict[str, Any]) -> str:
    """Return the text of odd.yaml with other values at dotted paths; GONE removes a key."""
    content = yaml.safe_load(ODD.read_text())
    for path, value in changes.items():
        *parents, last = path.split('.')
        node = content
        for key in parents:
            node = node[key]
        if value is GONE:
            del node[last]
        else:
            node[last] = value
    return yaml.safe_dump(content, sort_keys=False)


def faults(changes: dict[str, Any]) -> list[str]:
    with pytest.raises(ValueError) as caught:
        parse_robot(changed(changes), 'my.yaml')
    return str(caught.value).splitlines()


@pytest.mark.parametrize('name', robot_names())
def test_every_shipped_file_loads_under_its_own_name(name: str):
    robot = load_robot(name)
    assert robot.name == name
    assert robot.lower.shape == robot.upper.shape == robot.home.shape == (robot.dof,)


def test_joints_stand_left_arm_left_gripper_right_arm_right_gripper(odd):
    assert odd.joints == ('l1', 'l2', 'lg', 'r1', 'rg')
    assert odd.is_gripper.tolist() == [False, False, True, False, True]


def test_each_side_keeps_its_own_limits(odd):
    assert odd.lower.tolist() == [-1.0, -2.0, 0.0, -0.5, 0.0]
    assert odd.upper.tolist() == [1.0, 2.0, 1.0, 1.5, 1.0]
    assert odd.max_velocity.tolist() == [1.0, 1.0, 1.0, 2.0, 2.0]
    assert odd.max_acceleration.tolist() == [10.0, 10.0, 10.0, 20.0, 20.0]
    assert odd.home.tolist() == [0.0, 0.5, 1.0, 0.25, 0.0]


def test_slots_of_a_side_point_at_its_arm_and_gripper(odd):
    assert odd.slots('left') == (slice(0, 2), 2)
    assert odd.slots('right') == (slice(3, 4), 4)


def test_limits_cannot_be_written(odd):
    with pytest.raises(ValueError, match='read-only'):
        odd.upper[0] = 9.0


def test_a_step_is_bounded_by_velocity_and_for_joints_by_the_step_limit():
    robot = parse_robot(changed({'safety': {'step_limit_rad': 0.015}}), 'my.yaml')
    np.testing.assert_allclose(robot.step_limit, [0.01, 0.01, 0.01, 0.015, 0.02])


def test_tolerances_of_grippers_are_their_own():
    robot = parse_robot(
        changed({'safety': {'state_tolerance_rad': 0.2, 'gripper_tolerance': 0.3}}), 'my.yaml'
    )
    assert robot.state_tolerance.tolist() == [0.2, 0.2, 0.3, 0.2, 0.3]


@pytest.mark.parametrize(
    ('max_rate_hz', 'ticks'), [(None, 1), (100, 1), (200, 1), (99, 2), (25, 4), (30, 4), (1, 100)]
)
def test_a_slower_topic_is_told_one_command_in_so_many(max_rate_hz, ticks):
    text = changed({'command_topics.claws.max_rate_hz': max_rate_hz})
    slower = parse_robot(text, 'my.yaml')
    assert slower.ticks_between('claws') == ticks
    assert slower.ticks_between('left') == 1


def test_a_native_link_to_an_older_ros_is_an_operators_to_confirm():
    text = changed({'ros_distro': 'humble', 'assumed': ['link']})
    assert parse_robot(text, 'my.yaml').assumed_motion_fields == ('link',)


def test_cameras_come_in_the_order_of_the_policy_not_of_the_file(odd):
    assert list(odd.cameras) == ['head', 'right_wrist']


def test_topics_stand_below_the_vendor_namespace(odd):
    assert odd.topic('/odd/left') == '/odd/left'
    assert odd.with_vendor_namespace('/sim/').topic('/odd/left') == '/sim/odd/left'


def test_the_text_is_kept_as_it_was_read(odd):
    assert odd.text == ODD.read_text()
    assert odd.path == str(ODD)


def test_what_an_operator_confirms_are_the_assumptions_about_motion():
    assumed = ['ros_distro', 'arms.left.lower', 'cameras.head.encoding', 'safety']
    robot = parse_robot(changed({'assumed': assumed}), 'my.yaml')
    assert robot.assumed_motion_fields == ('arms.left.lower', 'safety')


def test_the_digest_ignores_the_order_and_comments_of_the_file(odd):
    backwards = dict(reversed(yaml.safe_load(ODD.read_text()).items()))
    text = '# another comment\n' + yaml.safe_dump(backwards, sort_keys=False)
    assert parse_robot(text, 'my.yaml').digest == odd.digest


def test_the_digest_ignores_titles_and_sources_but_no_limit(odd):
    said = parse_robot(changed({'title': 'Odd', 'sources': ['elsewhere']}), 'my.yaml')
    moved = parse_robot(changed({'arms.right.upper': [1.6]}), 'my.yaml')
    assert said.digest == odd.digest
    assert moved.digest != odd.digest


def test_the_digest_is_the_same_in_another_process(odd):
    code = f'from lingbot_policy.robot import load_robot; print(load_robot({str(ODD)!r}).digest)'
    environment = {**os.environ, 'PYTHONHASHSEED': '7'}
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=environment
    )
    assert run.stdout == f'{odd.digest}\n', run.stderr


# fault -> changes, and the line that is to be said of them after 'my.yaml: '
BROKEN = {
    'string for number': (
        {'policy_rate_hz': '30'},
        "policy_rate_hz: found '30', expected a valid number",
    ),
    'bool for number': (
        {'policy_rate_hz': True},
        'policy_rate_hz: found True, expected a valid number',
    ),
    'nan': (
        {'arms.left.upper': [1.0, float('nan')]},
        'arms.left.upper.1: found nan, expected a finite number',
    ),
    'infinite': (
        {'grippers.left.state.open': float('inf')},
        'grippers.left.state.open: found inf, expected a finite number',
    ),
    'negative rate': (
        {'policy_rate_hz': -1},
        'policy_rate_hz: found -1, expected greater than 0',
    ),
    'rate above ours': (
        {'command_rate_hz': 251, 'servo_rate_hz': 251},
        'command_rate_hz: found 251, expected less than or equal to 250',
    ),
    'servo below command': (
        {'servo_rate_hz': 50},
        '(file): servo_rate_hz: found 50, expected at least command_rate_hz, 100',
    ),
    'limits of wrong length': (
        {'arms.left.lower': [-1.0]},
        'arms.left: lower: found 1 values, expected 2, one for each joint',
    ),
    'bindings of wrong length': (
        {'arms.left.state': {'source': 'arms', 'names': ['l1']}},
        'arms.left: state: found 1 values, expected 2, one for each joint',
    ),
    'crossed limits': (
        {'arms.right.lower': [1.5]},
        'arms.right: r1: found lower 1.5, expected less than upper 1.5',
    ),
    'faster than its motor': (
        {'arms.right.motor_max_velocity': [1.9]},
        "arms.right: r1: found safe_max_velocity 2.0, expected at most the motor's 1.9",
    ),
    'misspelt field': (
        {'safety': {'step_limit': 0.1}},
        'safety.step_limit: found 0.1, expected no such field; see robot_schema.py',
    ),
    'missing field': (
        {'base_frame': GONE},
        'base_frame: found nothing, expected a value',
    ),
    'missing arm': (
        {'arms.right': GONE},
        'arms.right: found nothing, expected a value',
    ),
    'missing head camera': (
        {'cameras.head': GONE},
        'cameras.head: found nothing, expected a value',
    ),
    'index twice': (
        {'arms.left.command.index': [1, 1]},
        'arms.left.command.index: found a repetition in [1, 1], expected each once',
    ),
    'index and names': (
        {'arms.left.state.index': [0, 1]},
        'arms.left.state: found both or none of index and names, expected one of them',
    ),
    'no travel': (
        {'grippers.left.command.open': 1},
        'grippers.left.command: found 1.0 for closed and open, expected travel between them',
    ),
    'unknown choice': (
        {'link': 'wifi'},
        "link: found 'wifi', expected 'native', 'zenoh', 'rosbridge' or 'udp'",
    ),
    'relative topic': (
        {'cameras.head.topic': 'odd/head'},
        "cameras.head.topic: found 'odd/head', expected String should match pattern "
        "'^/[A-Za-z0-9_/]*[A-Za-z0-9_]$'",
    ),
    'unknown source': (
        {'grippers.left.state.source': 'claw'},
        "grippers.left.state.source: found 'claw', expected a key of state_topics: arms, claws",
    ),
    'unknown target': (
        {'arms.left.command.target': 'arms'},
        "arms.left.command.target: found 'arms', expected a key of command_topics: "
        'left, right, claws',
    ),
    'name which is not sent': (
        {'arms.right.state.names': ['r7']},
        "arms.right.state: found names ['r7'], expected some of state_topics.arms.names: "
        "['r1', 'l2', 'l1']",
    ),
    'joint name twice': (
        {'grippers.right.joint': 'l2'},
        "joints: found 'l2' twice, expected a name for each joint and gripper",
    ),
    'copied from the other side': (
        {'grippers.right.command.index': 0},
        'grippers.right.command: found data[0] of command_topics.claws, which is '
        'grippers.left.command, expected a place of its own',
    ),
    'assumed nothing': (
        {'assumed': ['arms.left.uper']},
        "(file): assumed: found 'arms.left.uper', expected a field of this file",
    ),
    'native in the domain of an older ROS': (
        {'ros_distro': 'humble'},
        'link: found native for ROS 2 humble, expected zenoh; or link in assumed, so that an '
        'operator answers for the check of docs/links.md',
    ),
    'arm at another rate': (
        {'command_topics.left.max_rate_hz': 25},
        'command_topics.left.max_rate_hz: found 25 on the topic of the left arm, expected it on '
        'topics of grippers alone; arms follow command_rate_hz',
    ),
    'gripper hardly ever': (
        {'command_topics.claws.max_rate_hz': 0.5},
        'command_topics.claws.max_rate_hz: found 0.5, expected greater than or equal to 1',
    ),
    'constant of no kind': (
        {'command_topics.left.fill': {'effort': None}},
        'command_topics.left.fill.effort: found None, expected a valid boolean or a valid '
        'integer or a valid number or a valid string or a valid array',
    ),
    'constant not finite': (
        {'command_topics.left.fill': {'effort': [0, float('nan')]}},
        'command_topics.left.fill.effort.1: found nan, expected a finite number',
    ),
    'integer without a range': (
        {'grippers.left.command.maximum': None},
        'grippers.left.command: found integer without minimum and maximum, expected the range '
        'of the wire',
    ),
    'hand without a gripper': (
        {'grippers.left.command.one_dof_expansion': [100, 0]},
        'grippers.left.command: one_dof_expansion: found [100.0, 0.0], expected g somewhere',
    ),
    'hand without a place': (
        {'grippers.left.command.index': None, 'grippers.left.command.one_dof_expansion': ['g']},
        'grippers.left.command: found one_dof_expansion without index, expected its first place',
    ),
    'carrier of another kind': (
        {'grippers.left.carrier': 'embedded'},
        '(file): grippers.left.carrier: found embedded, expected topic_pair, as command.target '
        'claws has it',
    ),
    'camera of another type': (
        {'cameras.head.transport': 'compressed'},
        'cameras.head: type: found sensor_msgs/msg/Image, expected '
        'sensor_msgs/msg/CompressedImage for transport compressed',
    ),
    'second eye without stereo': (
        {'cameras.head.right_topic': '/odd/right_eye'},
        'cameras.head: found right_topic without stereo, expected stereo: left',
    ),
    'body limits of wrong length': (
        {'body': {'waist': {'role': 'hold', 'joints': ['w1'], 'lower': [0.0, 1.0]}}},
        'body.waist: lower: found 2 values, expected 1, one for each joint',
    ),
    'body commanded nowhere': (
        {'body': {'waist': {'role': 'command', 'joints': ['w1']}}},
        'body.waist: found role command without a command, expected one, or role hold',
    ),
    'step without a service': (
        {'arming': [{'kind': 'service', 'text': 'Enable.', 'name': '/enable'}]},
        'arming.0: found a service step without type, expected its name and type; or kind '
        'operator',
    ),
    'watchdog faster than commands': (
        {'safety': {'watchdog': {'timeout_s': 0.02}}},
        '(file): safety.watchdog.timeout_s: found 0.02, expected at least three commands at '
        'command_rate_hz, 0.03',
    ),
    'watchdog without stamps': (
        {'safety': {'watchdog': {'stamp_required': True}}, 'command_topics.left.stamp': 'none'},
        '(file): command_topics.left.stamp: found none, expected header: '
        'safety.watchdog.stamp_required',
    ),
    'other schema': (
        {'schema_version': 2},
        'schema_version: found 2, expected 1',
    ),
}


@pytest.mark.parametrize('fault', BROKEN)
def test_a_fault_is_told_by_file_field_found_and_expected(fault: str):
    changes, line = BROKEN[fault]
    assert faults(changes) == [f'my.yaml: {line}']


def test_all_faults_are_told_at_once_lost_references_too():
    lines = faults({'title': 7, 'base_frame': GONE, 'arms.left.state.source': 'wrong'})
    assert len(lines) == 3
    assert {line.split(': ')[1] for line in lines} == {
        'title',
        'base_frame',
        'arms.left.state.source',
    }


def test_a_file_full_of_wrong_shapes_is_still_told_in_words():
    lines = faults(
        {'arms': [1], 'state_topics': 'none', 'grippers.left.state': 3, 'cameras': None}
    )
    assert any(line.startswith('my.yaml: arms: found [1], expected') for line in lines)
    assert any(line.startswith("my.yaml: state_topics: found 'none', ") for line in lines)


def test_a_key_given_twice_is_refused_and_named():
    text = ODD.read_text().replace('    upper: [1.5]\n', '    upper: [1.5]\n    upper: [9.0]\n')
    with pytest.raises(ValueError, match=r'^my.yaml: not valid YAML: key given twice.*: upper$'):
        parse_robot(text, 'my.yaml')


def test_an_anchor_may_be_merged_into_a_mapping():
    text = ODD.read_text().replace('  head: {', '  head: {<<: {max_age_s: 0.7}, ')
    assert parse_robot(text, 'my.yaml').cameras['head'].max_age_s == 0.7


@pytest.mark.parametrize('text', ['name: [', 'name: 2020-13-45', 'a: *b', '\0'])
def test_what_is_no_yaml_is_told_with_its_file(text: str):
    with pytest.raises(ValueError, match=r'^my.yaml: not valid YAML: '):
        parse_robot(text, 'my.yaml')


@pytest.mark.parametrize(('text', 'found'), [('', 'NoneType'), ('- a', 'list'), ('a', 'str')])
def test_what_is_no_mapping_is_told_with_what_it_is(text: str, found: str):
    with pytest.raises(ValueError, match=f'my.yaml: found {found}, expected a mapping'):
        parse_robot(text, 'my.yaml')


def test_an_unknown_name_is_answered_with_the_nearest_and_all():
    with pytest.raises(ValueError) as caught:
        load_robot('agilex_cobot')
    assert "unknown robot 'agilex_cobot': did you mean 'agilex_cobot_magic'?" in str(caught.value)
    assert all(name in str(caught.value) for name in robot_names())


def test_a_name_like_no_other_gets_no_hint():
    with pytest.raises(ValueError, match=r"unknown robot '###'\. Known: "):
        load_robot('###')


def test_a_file_which_is_not_there_is_told_with_its_path(tmp_path: Path):
    with pytest.raises(ValueError, match=r'gone.yaml: cannot be read \(.*No such file'):
        load_robot(tmp_path / 'gone.yaml')


def test_a_file_which_is_no_text_is_told_with_its_path(tmp_path: Path):
    (tmp_path / 'odd.yaml').write_bytes(b'\xff\xfe\xff')
    with pytest.raises(ValueError, match=r'odd.yaml: cannot be read \(.*decode'):
        load_robot(tmp_path / 'odd.yaml')
