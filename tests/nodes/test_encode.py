# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of the robots' real types: as written down by hand, and for unlike wires."""

from importlib import import_module
from pathlib import Path
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
import pytest
import yaml

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.decode import StateDecoder
from lingbot_policy.nodes.encode import (
    chunk_to_msg,
    command_encoders,
    message_type,
    state_encoders,
    time_msg,
)
from lingbot_policy.robot import load_robot, parse_robot, Robot

DATA = Path(__file__).parents[1] / 'data'
BY_HAND = sorted((DATA / 'wire').glob('*.yaml'))
STAMP = Time(sec=12, nanosec=34)
HOME = np.array([0.0, 0.5, 1.0, 0.25, 0.0])


def build(kind: str, fields: dict[str, Any]) -> Any:
    """Return a message of a type such as sensor_msgs/msg/JointState with ``fields`` set."""
    package, _, name = kind.replace('/msg/', '/').partition('/')
    try:
        msg = getattr(import_module(f'{package}.msg'), name)()
    except ImportError:
        pytest.skip(f'{package} is not installed')
    types = msg.get_fields_and_field_types()
    for field, value in fields.items():
        element = types[field].removeprefix('sequence<').partition('>')[0].partition('[')[0]
        if isinstance(value, dict):
            value = build(types[field], value)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            value = [build(element, each) for each in value]
        setattr(msg, field, value)
    return msg


def plain(msg: Any) -> Any:
    """Return a message as dicts and lists, to compare and to read in a failure."""
    if hasattr(msg, 'get_fields_and_field_types'):
        return {name: plain(getattr(msg, name)) for name in msg.get_fields_and_field_types()}
    if isinstance(msg, str | bytes | int | float):
        return msg
    return [plain(each) for each in msg]


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list) and expected and not isinstance(expected[0], str):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    else:
        assert found == pytest.approx(expected, abs=1e-12)


def by_hand(path: Path) -> tuple[Robot, dict]:
    content = yaml.safe_load(path.read_text())
    return load_robot(content['robot']), content


@pytest.fixture(scope='session')
def odd() -> Robot:
    return load_robot(DATA / 'robots' / 'odd.yaml')


@pytest.mark.parametrize('path', BY_HAND, ids=lambda path: path.stem)
def test_states_written_by_hand_are_read_as_written(path: Path):
    robot, content = by_hand(path)
    keys = {topic.topic: key for key, topic in robot.file.state_topics.items()}
    for state in content['states']:
        decoder = StateDecoder(robot, keys[state['topic']])
        values = decoder.decode(build(state['type'], state['msg']))
        found = {robot.joints[i]: value for i, value in zip(decoder.slots, values, strict=True)}
        assert found == pytest.approx(state['inside'], abs=1e-12)


@pytest.mark.parametrize('path', BY_HAND, ids=lambda path: path.stem)
def test_states_written_by_hand_have_the_type_of_the_robot_file(path: Path):
    robot, content = by_hand(path)
    types = {topic.topic: topic.type for topic in robot.file.state_topics.values()}
    assert {state['topic']: state['type'] for state in content['states']} == types


@pytest.mark.parametrize('path', BY_HAND, ids=lambda path: path.stem)
def test_commands_are_the_messages_written_by_hand(path: Path):
    robot, content = by_hand(path)
    topics = {key: topic.topic for key, topic in robot.file.command_topics.items()}
    for command in content['commands']:
        expected = {
            each['topic']: build(each['type'], each['msg']) for each in command['messages']
        }
        found = {
            topics[key]: encoder.encode(np.array(command['inside'], float), STAMP)
            for key, encoder in command_encoders(robot).items()
        }
        assert found.keys() == expected.keys()
        for topic, msg in expected.items():
            if hasattr(msg, 'header'):
                msg.header.stamp = STAMP
            assert type(found[topic]) is type(msg)
            assert_same(plain(found[topic]), plain(msg))


def test_degrees_go_out_in_the_order_of_the_wire(odd):
    msg = command_encoders(odd)['left'].encode(np.array([np.pi / 2, -np.pi, 0, 0, 0]), STAMP)
    assert list(msg.name) == ['b', 'a']
    assert list(msg.position) == pytest.approx([-180.0, 90.0])
    assert list(msg.effort) == [5.0, 6.0]
    assert msg.header.stamp == STAMP


def test_a_field_inside_a_list_of_messages_is_written(odd):
    msg = command_encoders(odd)['right'].encode(HOME, STAMP)
    assert len(msg.points) == 1
    assert list(msg.points[0].positions) == [0.25]
    assert msg.points[0].time_from_start.sec == 2


@pytest.mark.parametrize(
    ('left', 'right', 'wire'),
    [
        (0.0, 0.0, [1, 100]),
        (1.0, 1.0, [1000, 1]),
        (0.5, 0.5, [500, 50]),  # 500.5 and 50.5 are rounded to the even number
        (0.2502, 0.746, [251, 26]),
        (-0.1, 1.5, [1, 1]),
        (1.5, -0.5, [1000, 100]),
    ],
)
def test_two_grippers_in_one_message_are_rounded_and_clamped_each_its_way(odd, left, right, wire):
    msg = command_encoders(odd)['claws'].encode(np.array([0, 0, left, 0, right]), STAMP)
    assert msg.data.tolist() == wire


def test_a_single_integer_needs_no_index(odd):
    text = odd.text.replace(
        '  claws: {topic: /odd/claws,',
        '  claw: {topic: /odd/claw, type: std_msgs/msg/UInt8, stamp: none}\n'
        '  claws: {topic: /odd/claws,',
    )
    text = text.replace('claws, field: data, index: 1,', 'claw, field: data, index: null,')
    text = text.replace('carrier: topic_pair', 'carrier: topic')
    msg = command_encoders(parse_robot(text, 'my.yaml'))['claw'].encode(HOME, STAMP)
    assert msg.data == 100


def test_a_hand_is_filled_from_one_value_and_its_still_joints_stay(odd):
    hand = 'one_dof_expansion: [50, g, g, 99], index: 1,'
    text = odd.text.replace('field: data, index: 1,', f'field: data, {hand}')
    encoder = command_encoders(parse_robot(text, 'my.yaml'))['claws']
    msg = encoder.encode(np.array([0, 0, 1.0, 0, 0.5]), STAMP)
    assert msg.data.tolist() == [1000, 50, 50, 50, 99]
    msg = encoder.encode(np.array([0, 0, 1.0, 0, 1.0]), STAMP)
    assert msg.data.tolist() == [1000, 50, 1, 1, 99]


@pytest.mark.parametrize('name', ['odd', 'agilex_cobot_magic'])
def test_what_a_simulated_robot_sends_is_read_back(odd, name: str):
    robot = odd if name == 'odd' else load_robot(name)
    sent = np.linspace(0.1, 0.9, robot.dof)
    read = np.full(robot.dof, np.nan)
    for key, encoder in state_encoders(robot).items():
        decoder = StateDecoder(robot, key)
        read[decoder.slots] = decoder.decode(encoder.encode(sent, STAMP))
    np.testing.assert_allclose(read, sent, atol=1e-12)


def test_a_simulated_state_has_the_names_in_the_order_of_the_wire(odd):
    msg = state_encoders(odd)['arms'].encode(np.array([0.0, np.pi, 0.0, 0.5, 0.0]), STAMP)
    assert list(msg.name) == ['r1', 'l2', 'l1']
    assert list(msg.position) == pytest.approx([0.5, 180.0, 0.0])


def test_a_robot_without_names_gets_as_many_values_as_its_indices_need():
    text = (DATA / 'robots' / 'odd.yaml').read_text().replace('names: [b, a], ', '')
    msg = command_encoders(parse_robot(text, 'my.yaml'))['left'].encode(HOME, STAMP)
    assert list(msg.name) == []
    assert len(msg.position) == 2


def test_each_message_is_its_own(odd):
    encoder = command_encoders(odd)['left']
    first, second = encoder.encode(HOME, STAMP), encoder.encode(HOME + 0.1, STAMP)
    first.effort[0] = 99.0
    assert first.position != second.position
    assert list(second.effort) == [5.0, 6.0]


def test_a_type_without_header_cannot_be_stamped(odd):
    text = odd.text.replace(
        'std_msgs/msg/UInt16MultiArray, stamp: none', 'std_msgs/msg/UInt16MultiArray'
    )
    with pytest.raises(
        ValueError, match=r'/odd/claws: std_msgs/msg/UInt16MultiArray has no header'
    ):
        command_encoders(parse_robot(text, 'my.yaml'))


def test_a_message_package_which_is_missing_is_named_with_the_remedy():
    with pytest.raises(ValueError, match=r'package my_msgs is not installed.*ros-jazzy-my-msgs'):
        message_type('my_msgs/msg/Robot')


def test_a_package_of_a_robot_which_is_missing_is_named_with_its_drivers(odd):
    text = odd.text.replace('std_msgs/msg/UInt16MultiArray', 'claw_msgs/msg/Claws')
    text += 'drivers: [github.com/odd/claw_ros]\n'
    with pytest.raises(ValueError, match=r'claw_msgs .* Its drivers: github.com/odd/claw_ros\.'):
        command_encoders(parse_robot(text, 'my.yaml'))


def test_a_body_is_not_commanded_by_accident(odd):
    waist = '{role: command, joints: [w1], command: {topic: /w, type: std_msgs/msg/Float64}}'
    text = odd.text + f'body: {{waist: {waist}}}\n'
    with pytest.raises(ValueError, match=r'my.yaml: body.waist.role: found command: no policy'):
        command_encoders(parse_robot(text, 'my.yaml'))


def test_an_action_is_not_commanded(odd):
    text = odd.text.replace(
        '  claws: {topic: /odd/claws, type: std_msgs/msg/UInt16MultiArray',
        '  claws: {topic: /odd/claws, type: lingbot_msgs/action/RunTrial',
    )
    with pytest.raises(ValueError, match=r'actions are not commanded; bind a topic'):
        command_encoders(parse_robot(text, 'my.yaml'))


def test_a_message_which_its_package_lacks_is_named():
    with pytest.raises(ValueError, match=r'message package sensor_msgs has no msg Joint$'):
        message_type('sensor_msgs/msg/Joint')


def test_a_stamp_is_seconds_and_nanoseconds():
    assert time_msg(12_000_000_034) == STAMP
    assert time_msg(-1) == Time(sec=-1, nanosec=999_999_999)


def test_a_chunk_message_says_when_each_step_is_due():
    chunk = ActionChunk(np.zeros((3, 1)), 5_000_000_000, 10.0, first_step_offset=1.5)
    msg = chunk_to_msg(chunk, ('j',), 5_250_000_000)
    due = [(p.time_from_start.sec, p.time_from_start.nanosec) for p in msg.trajectory.points]
    assert due == [(0, 150_000_000), (0, 250_000_000), (0, 350_000_000)]
    assert (msg.trajectory.header.stamp.sec, msg.created.nanosec) == (5, 250_000_000)
    assert msg.latency_s == pytest.approx(0.25)
