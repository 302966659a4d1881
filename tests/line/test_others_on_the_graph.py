# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Nothing is armed while somebody else could command the robot."""

from collections.abc import Iterator
import signal
import subprocess
import sys

import pytest

from lingbot_policy.bringup import node_specs
from lingbot_policy.nodes.graph import foreign_endpoints
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
TELEOPERATION = """
import time
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState

rclpy.init()
node = Node('teleoperation')
publisher = node.create_publisher(JointState, '/master/joint_left', 1)
print('ready', flush=True)
try:
    while True:
        publisher.publish(JointState())
        time.sleep(0.05)
except KeyboardInterrupt:
    node.destroy_node()
    rclpy.try_shutdown()
"""


@pytest.fixture
def teleoperation(ros_env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """Another process in the domain, which publishes commands for the left arm."""
    process = subprocess.Popen(
        [sys.executable, '-c', f'import signal\nsignal.signal(2, signal.default_int_handler)'
         f'{TELEOPERATION}'],
        env=ros_env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == 'ready\n'
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_foreign_publisher_of_commands_is_named_and_nothing_is_armed(
    start, probe, deployment, teleoperation
):
    start(deployment('hold'))
    probe.wait('a contract and joints', lambda: probe.chunks > 0)
    seen = '/master/joint_left: /teleoperation'
    robot = load_robot('agilex_cobot_magic')
    probe.wait('the foreigner', lambda: seen in foreign_endpoints(probe.node, robot))

    success, message = probe.call('chunk_executor/arm')
    assert not success
    assert seen in message
    assert probe.commands == []

    teleoperation.send_signal(signal.SIGINT)
    teleoperation.wait(timeout=60)
    probe.arm()
    probe.wait('commands', lambda: probe.commands)


def test_a_second_executor_is_noticed_before_arming(start, probe, deployment, specs_with):
    wanted = deployment('hold')
    start(wanted)
    start(specs_with(node_specs(wanted), 'chunk_executor'))
    topic = '/master/joint_left'
    probe.wait(
        'both executors',
        lambda: len(probe.node.get_publishers_info_by_topic(topic)) == 2,
    )

    # Until they have discovered each other, arming may succeed; it does not last.
    def is_refused_for_it() -> bool:
        success, message = probe.call('chunk_executor/arm')
        return not success and f'{topic}: another /chunk_executor' in message

    probe.wait('a refusal which names the other', is_refused_for_it)
