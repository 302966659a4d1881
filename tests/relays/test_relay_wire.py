# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Robot files a relay can carry, and those it cannot."""

from collections.abc import Callable
import math

import pytest
import yaml

from lingbot_policy.relays.commands import CommandSlot
from lingbot_policy.relays.kuavo import JOINTS
from lingbot_policy.relays.qinglong import HAND_UNIT
from lingbot_policy.relays.qinglong import JOINTS as QINGLONG_JOINTS
from lingbot_policy.relays.ros1_robots import ros1_side
from lingbot_policy.relays.wire import relay_wire, RelayWire
from lingbot_policy.robot import load_robot, parse_robot, Robot

BOTH = ('arms', 'grippers')


def parse(robot: dict) -> Robot:
    return parse_robot(yaml.safe_dump(robot), 'relayed.yaml')


def wire_of(robot: Robot) -> RelayWire:
    return relay_wire(robot, BOTH, JOINTS, 'percent')


def test_topics_names_and_ranges_come_from_the_file(kuavo_like):
    wire = wire_of(parse(kuavo_like))
    assert wire.joint_states.topic == '/relay/joint_states'
    assert wire.joint_states.parts[0] == 'left_1'
    assert wire.joint_states.parts[13] == 'right_7'
    assert wire.joint_states.taken == range(12, 26)
    assert wire.joint_commands.unit == 1.0
    assert wire.joint_commands.upper[3] == 2.0
    assert wire.joint_commands.upper[10] == 1.5
    assert wire.gripper_commands.parts == ('left_gripper', 'right_gripper')
    assert wire.gripper_commands.lower.tolist() == [0.0, 0.0]
    assert wire.gripper_commands.upper.tolist() == [100.0, 100.0]
    assert wire.joint_states.rate_hz == 100


def test_simulation_and_hardware_never_share_a_topic(kuavo_like):
    robot = parse(kuavo_like).with_vendor_namespace('/sim')
    assert wire_of(robot).joint_commands.topic == '/sim/relay/joint_commands'


def swap_arms(robot: dict) -> None:
    arms = robot['arms']
    arms['left']['state'], arms['right']['state'] = arms['right']['state'], arms['left']['state']


def half_in_degrees(robot: dict) -> None:
    robot['arms']['right']['command']['unit'] = 'deg'  # and the left in rad


def in_millimetres(robot: dict) -> None:
    robot['grippers']['left']['command']['unit'] = 'mm'


def swap_grippers(robot: dict) -> None:
    robot['grippers']['left']['command']['index'] = 1
    robot['grippers']['right']['command']['index'] = 0


def two_topics(robot: dict) -> None:
    robot['command_topics']['other'] = dict(robot['command_topics']['arms'], topic='/relay/other')
    robot['arms']['right']['command']['target'] = 'other'


def too_few_names(robot: dict) -> None:
    robot['state_topics']['arms']['names'] = ['only_one']


@pytest.mark.parametrize(
    ('mistake', 'told'),
    [
        (swap_arms, 'joint_states: index'),
        (half_in_degrees, 'joint_commands: unit: found deg, expected rad'),
        (in_millimetres, 'gripper_commands: unit: found mm, expected percent'),
        (swap_grippers, 'gripper_commands: index'),
        (two_topics, 'joint_commands: topic'),
        (too_few_names, 'joint_states: names: found 1, expected 14'),
    ],
)
def test_a_file_a_relay_cannot_carry_is_refused(
    kuavo_like, mistake: Callable[[dict], None], told: str
):
    mistake(kuavo_like)
    with pytest.raises(ValueError, match=told):
        wire_of(parse(kuavo_like))


def test_a_file_may_take_the_vendors_whole_vector_and_command_in_degrees(kuavo_like):
    for side, start in (('left', 12), ('right', 19)):
        arm = kuavo_like['arms'][side]
        arm['state']['index'] = list(range(start, start + 7))
        arm['command']['unit'] = 'deg'
    wire = wire_of(parse(kuavo_like))
    assert wire.joint_states.taken is None
    assert wire.joint_commands.unit == pytest.approx(0.017453292519943295)


def test_the_shipped_kuavo_fits_its_relay_and_30_degrees_stay_30_degrees():
    robot = load_robot('leju_kuavo4_pro')
    ros1, carried = ros1_side(robot)
    wire = relay_wire(robot, carried, ros1.joints, ros1.gripper_unit)
    assert None not in vars(wire).values()
    degrees = [30.0, 15.0, -10.0, -60.0, 5.0, 5.0, 5.0] * 2
    on_our_wire = [math.radians(d) / wire.joint_commands.unit for d in degrees]
    slot = CommandSlot(wire.joint_commands, 100_000_000)
    assert slot.accept((), on_our_wire, 0, 0) == ''
    told = ros1.told['joint_commands'].write(slot.fresh(0), 0)
    assert told['position'] == pytest.approx(degrees)


def test_the_shipped_qinglong_is_carried_by_its_two_relays_together():
    robot = load_robot('qinglong_openloong')
    hands = robot.file.grippers['left'].state.unit == HAND_UNIT
    by_udp = relay_wire(robot, BOTH if hands else ('arms',), QINGLONG_JOINTS, HAND_UNIT)
    ros1, carried = ros1_side(robot)
    by_rosbridge = relay_wire(robot, carried, ros1.joints, ros1.gripper_unit)
    assert by_udp.joint_states and by_udp.joint_commands
    assert (by_udp.gripper_states is None) != (by_rosbridge.gripper_states is None)


def test_a_robot_without_ros_1_is_refused(kuavo_like):
    kuavo_like.update(link='native', ros_distro='jazzy')
    with pytest.raises(ValueError, match='link: found native, expected one of rosbridge, udp'):
        ros1_side(parse(kuavo_like))
