# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot has one commander: another publisher that appears while it is armed ends motion."""

import subprocess
import sys

import pytest

from lingbot_policy.bringup import node_specs

pytestmark = pytest.mark.ros
TOPIC = '/master/joint_left'
TELEOPERATION = f"""
import time
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
rclpy.init()
publisher = Node('teleoperation').create_publisher(JointState, '{TOPIC}', 1)
time.sleep(600)
"""


@pytest.fixture
def teleoperation(ros_env):
    processes = []

    def start() -> None:
        processes.append(subprocess.Popen([sys.executable, '-c', TELEOPERATION], env=ros_env))

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_a_publisher_that_appears_while_armed_latches_a_stop_which_names_it(
    start, probe, deployment, teleoperation
):
    start(deployment())
    probe.arm()
    probe.wait_motion()
    assert all(event.state != 'stopped' for event in probe.events)  # our own publisher matches too

    teleoperation()
    stopped = probe.wait_event('stopped', f'{TOPIC}: /teleoperation')
    assert 'others publish commands' in stopped.reason
    success, message = probe.call('chunk_executor/arm')
    assert not success
    assert '/teleoperation' in message

    def stand_still() -> bool:
        before, last = probe.commands[-2:]
        braked = last.gate_state == 'stop'
        return braked and last.positions.tolist() == before.positions.tolist()

    probe.wait('the arms stand still', stand_still)
    still = probe.commands[-1].positions
    probe.wait_chunks(3)
    assert probe.commands[-1].positions.tolist() == still.tolist()


def test_a_second_executor_that_appears_while_armed_stops_the_first(
    start, probe, deployment, specs_with
):
    wanted = deployment('hold')
    start(wanted)
    probe.arm()
    probe.wait('commands', lambda: probe.commands)

    start(specs_with(node_specs(wanted), 'chunk_executor'))
    probe.wait_event('stopped', f'{TOPIC}: another /chunk_executor')
