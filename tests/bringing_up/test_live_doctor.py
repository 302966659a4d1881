# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Doctor beside simulated robots: real processes, real topics, and files that are wrong."""

from collections.abc import Callable
import json
import subprocess
import sys

import pytest

from lingbot_policy.commissioning.live_checks import live_findings
from lingbot_policy.contract import shipped_bundle
from lingbot_policy.nodes.probe import Probe
from lingbot_policy.robot import Robot

pytestmark = pytest.mark.ros
AGILEX = 'agilex_cobot_magic'
LIFT = {'topic': '/lift', 'type': 'std_msgs/msg/Float64'}
ATTEMPTS = 4  # on a machine so busy that rates are not reached
IMPOSTOR = """
import time
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, qos_profile_sensor_data, QoSProfile
from sensor_msgs.msg import Image, JointState
rclpy.init()
node = Node('impostor')
topics = {
    '/fake/degrees': JointState, '/fake/short': JointState, '/fake/typed': JointState,
    '/fake/old': Image, '/fake/turned': Image,
}
publishers = {t: node.create_publisher(k, t, qos_profile_sensor_data) for t, k in topics.items()}
latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
listener = node.create_subscription(JointState, '/fake/command', print, latched)
angles = [45.0, 90.0, -60.0, 30.0, 15.0, 10.0, 0.04]
names = [f'joint{i}' for i in range(7)]
while True:
    now = node.get_clock().now()
    for topic, publisher in publishers.items():
        msg = topics[topic]()
        msg.header.stamp = now.to_msg()
        if topic == '/fake/degrees':
            msg.name, msg.position = names, angles
        elif topic == '/fake/short':
            msg.name, msg.position = names[:6], [0.1] * 6
        elif topics[topic] is Image:
            msg.width, msg.height, msg.encoding, msg.step = 72, 96, 'rgb8', 216
            msg.data = bytes(216 * 96)
        if topic == '/fake/old':
            msg.header.stamp.sec -= 3
        publisher.publish(msg)
    time.sleep(0.1)
"""


@pytest.fixture(scope='module')
def ros_env(shared_env: dict[str, str]) -> dict[str, str]:
    return shared_env


@pytest.fixture(scope='module')
def agilex(robot_file: Callable[..., Robot], simulate_for_all: Callable[[Robot], None]) -> Robot:
    """A simulated robot which only listens to what the tests here do."""
    robot = robot_file(AGILEX)
    simulate_for_all(robot)
    return robot


def examined(robot: Robot, seconds: float = 1.5) -> dict[str, tuple[str, str]]:
    with Probe(robot) as probe:
        probe.listen(seconds, discovery_s=1.0)
        findings = live_findings(robot, probe.facts(), '/chunk_executor')
    return {f.piece: (f.verdict, f.found) for f in findings}


def no_gos(rows: dict) -> dict:
    return {piece: found for piece, (verdict, found) in rows.items() if verdict == 'no-go'}


def require_a_go(robot: Robot) -> None:
    for _ in range(ATTEMPTS):
        wrong = no_gos(rows := examined(robot))
        if not wrong:
            break
    assert wrong == {}
    for key in robot.file.state_topics:
        assert f'state {key}' in rows or f'state {key}: constant' in rows


def test_a_simulated_robot_is_a_go(agilex):
    require_a_go(agilex)


@pytest.mark.parametrize('base', ['bimanual_franka', 'agibot_g1'])
def test_simulated_robots_of_other_wires_are_a_go(robot_file, simulate, base):
    robot = robot_file(base)
    simulate(robot)
    require_a_go(robot)


def test_the_command_prints_the_rows_and_fails_for_one_that_is_no_go(
    robot_file, agilex, serve, ros_env
):
    robot = robot_file(AGILEX, **{'cameras.head.topic': '/camera_f/gone'})
    serve('bimanual_franka')
    command = [sys.executable, '-m', 'lingbot_policy.cli.main', 'doctor', '--json']
    ended = subprocess.run(
        [*command, '--robot', robot.path, '--seconds', '1.5', '--bundle', shipped_bundle(AGILEX)],
        env=ros_env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    report = json.loads(ended.stdout)
    assert report['ready'] is False
    rows = {finding['piece']: finding for finding in report['findings']}
    assert rows['rclpy']['verdict'] == 'go'
    assert rows['camera head: topic']['verdict'] == 'no-go'
    assert "start the robot's driver" in rows['camera head: topic']['remedy']
    assert rows['command left']['verdict'] == 'go'
    assert rows['policy bundle']['verdict'] == 'go'
    assert rows['policy contract']['verdict'] == 'no-go'
    assert 'policy has bimanual_franka' in rows['policy contract']['found']
    assert 'restart /policy_server' in rows['policy contract']['remedy']


def test_files_and_graph_that_differ_are_told_row_by_row(robot_file, agilex, stranger):
    stranger('teleoperation', '/master/joint_right', 'sensor_msgs/msg/JointState')
    believed = robot_file(
        AGILEX,
        'believed',
        **{
            'state_topics.left.qos': 'latched',
            'state_topics.right.rate_hz': 200,
            'cameras.head.width': 72,
            'cameras.left_wrist.encoding': 'bgr8',
            'cameras.left_wrist.fps': 30,
            'cameras.right_wrist.topic': '/camera_r/gone',
            'cameras.right_wrist.aliases': ['/camera_r/color/image_raw'],
            'body': {'lift': {'role': 'hold', 'command': LIFT, 'state': LIFT}},
        },
    )
    stranger('joystick', LIFT['topic'], 'std_msgs/msg/Float32')
    for _ in range(ATTEMPTS):  # the strangers are discovered sooner or later
        wrong = no_gos(rows := examined(believed))
        if 'command right: publishers' in wrong and 'body lift: type' in rows:
            break
    assert 'durability' in wrong['state left: QoS']
    assert 'expected 200 Hz' in wrong['state right: rate']
    assert '96x72, expected 72x72' in wrong['camera head: size']
    assert 'expected 30 Hz' in wrong['camera left_wrist: rate']
    assert rows['camera left_wrist: encoding'][0] == 'note'
    assert wrong['camera right_wrist: topic'] == (
        'nobody publishes /camera_r/gone, but somebody its alias /camera_r/color/image_raw'
    )
    assert (
        'found std_msgs/msg/Float32, expected std_msgs/msg/Float64' in rows['body lift: type'][1]
    )
    assert '/teleoperation publish /master/joint_right' in wrong['command right: publishers']
    assert rows['command left'][0] == 'go'


def test_an_impostor_is_told_row_by_row(robot_file: Callable[..., Robot], ros_env):
    believed = robot_file(
        AGILEX,
        **{
            'state_topics.left.topic': '/fake/degrees',
            'state_topics.right.topic': '/fake/short',
            'cameras.head.topic': '/fake/typed',
            'cameras.left_wrist.topic': '/fake/old',
            'cameras.right_wrist.topic': '/fake/turned',
            'command_topics.left.topic': '/fake/command',
            'command_topics.right.topic': '/fake/degrees',
        },
    )
    process = subprocess.Popen([sys.executable, '-c', IMPOSTOR], env=ros_env)
    try:
        for _ in range(ATTEMPTS):  # until it is up
            wrong = no_gos(examined(believed))
            if 'state left: unit' in wrong and len(wrong) >= 8:
                break
    finally:
        process.kill()
        process.wait()
    assert '45.0, 90.0' in wrong['state left: unit']
    assert 'right arm' not in wrong['state left: unit']
    assert '6 values, expected at least 7' in wrong['state right: content']
    assert 'found sensor_msgs/msg/JointState' in wrong['camera head: type']
    assert 'arrival minus stamp is +30' in wrong['camera left_wrist: stamps']
    assert '72x96, expected 96x72' in wrong['camera right_wrist: size']
    assert '/impostor would hear nothing' in wrong['command left: QoS']
    assert '/impostor publish' in wrong['command right: publishers']
