# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A tenth robot is one file: arms of unlike length, a six-finger hand, degrees, JPEG in Images."""

from pathlib import Path

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from wire_table import over_the_wire

from lingbot_policy.decode import image_from_msg, StateDecoder
from lingbot_policy.nodes.encode import (
    command_encoders,
    message_type,
    picture_msg,
    state_encoders,
)
from lingbot_policy.robot import load_robot, Robot
from lingbot_policy.sim.stub import KinematicWorld
from lingbot_policy.sim.wire_limits import WireLimits

TENTH = (Path(__file__).parents[1] / 'data' / 'robots' / 'tenth.yaml').read_text()
STAMP = Time(sec=3)


@pytest.fixture
def tenth(tmp_path) -> Robot:
    path = tmp_path / 'tenth.yaml'
    path.write_text(TENTH)
    return load_robot(path)


def sent(robot: Robot, positions: np.ndarray) -> dict:
    encoders = command_encoders(robot)
    return {key: over_the_wire(each.encode(positions, STAMP)) for key, each in encoders.items()}


def test_its_messages_are_as_its_file_says(tenth: Robot):
    assert tenth.joints == ('l1', 'l2', 'l3', 'l4', 'fingers', 'r1', 'r2', 'r3', 'claw')
    positions = np.array([0.5, -0.25, 1.0, -1.5, 0.25, 0.0, np.pi / 6, -np.pi / 4, 0.5])
    messages = sent(tenth, positions)
    assert messages['left'].data.tolist() == [0.5, -0.25, 1.0, -1.5]
    assert messages['right'].position.tolist() == pytest.approx([0.03, -45.0, 30.0, 0.0])
    assert messages['right'].effort.tolist() == [20.0, 1.0, 1.0, 1.0]
    assert messages['hand'].data.tolist() == [75, 100, 75, 75, 75, 75]


@pytest.mark.parametrize(('opening', 'fingers'), [(1.0, [0, 100, 0, 0, 0, 0]), (0.0, [100] * 6)])
def test_one_value_opens_and_closes_a_hand(tenth: Robot, opening: float, fingers: list[int]):
    positions = np.where(tenth.is_gripper, opening, tenth.home)
    assert sent(tenth, positions)['hand'].data.tolist() == fingers


def test_it_is_simulated_and_obeys(tenth: Robot):
    world = KinematicWorld(tenth, image_size=(64, 48))
    target = tenth.home + np.where(tenth.is_gripper, -0.5, 0.2)
    for key, msg in sent(tenth, target).items():
        slots, values = WireLimits(tenth, key).check(msg, 0)
        command = world.positions()
        command[slots] = values
        world.command(command)
        for _ in range(100):
            world.step(0.02)
    found = np.full(tenth.dof, np.nan)
    for key, encoder in state_encoders(tenth).items():
        decoder = StateDecoder(tenth, key)
        msg = over_the_wire(encoder.encode(world.positions(), STAMP))
        found[decoder.slots] = decoder.decode(msg)
    np.testing.assert_allclose(found, target, atol=0.01)
    camera = tenth.cameras['head']
    msg = over_the_wire(picture_msg(world.render('head'), camera, STAMP))
    assert (msg.encoding, image_from_msg(msg, camera, 'head').shape) == ('jpeg', (48, 64, 3))


def test_what_bears_on_motion_is_told_from_what_does_not(tenth: Robot):
    assert tenth.assumed_motion_fields == (
        'grippers.left.command.closed',
        'command_topics.right.fill',
        'arms.left.safe_max_velocity',
    )


def test_a_missing_package_is_named_with_the_place_to_get_it(tmp_path):
    path = tmp_path / 'tenth.yaml'
    path.write_text(TENTH.replace('std_msgs/msg/UInt8MultiArray', 'tenth_msgs/msg/Fingers'))
    with pytest.raises(ValueError) as error:
        command_encoders(load_robot(path))
    assert 'package tenth_msgs is not installed here' in str(error.value)
    assert 'https://example.org/tenth_msgs' in str(error.value)


def test_an_action_can_be_described_but_is_not_commanded(tmp_path):
    path = tmp_path / 'tenth.yaml'
    action = TENTH.replace('std_msgs/msg/UInt8MultiArray', 'lingbot_msgs/action/RunTrial')
    path.write_text(action.replace('carrier: topic', 'carrier: action'))
    robot = load_robot(path)
    assert message_type(robot.file.command_topics['hand'].type).__name__ == 'RunTrial_Goal'
    with pytest.raises(ValueError, match=r'command_topics.hand.type: .* are not commanded'):
        command_encoders(robot)
