# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot has one commander: another publisher that appears while it is armed ends motion."""

from dataclasses import replace
import subprocess
import sys
import time

import pytest
import yaml

from lingbot_policy.bringup import node_specs
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
TOPIC = '/master/joint_left'
TELEOPERATION = f"""
import sys
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import JointState
rclpy.init()
publisher = Node('teleoperation').create_publisher(JointState, '{TOPIC}', 1)
print('ready', flush=True)
for line in sys.stdin:
    publisher.publish(JointState())
"""


@pytest.fixture
def teleoperation(ros_env):
    processes = []

    def start() -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, '-c', TELEOPERATION],
            env=ros_env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


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


def test_a_publisher_that_may_be_idle_is_tolerated_until_it_speaks(
    start, probe, deployment, teleoperation, tmp_path
):
    content = yaml.safe_load(load_robot('agilex_cobot_magic').text)
    content['command_topics']['left']['allowed_idle_publishers'] = ['teleoperation']
    path = tmp_path / 'with_leader.yaml'
    path.write_text(yaml.safe_dump(content))
    start(replace(deployment('hold'), robot=str(path)))
    probe.arm()
    leader = teleoperation()
    assert leader.stdout.readline() == 'ready\n'
    probe.wait('both', lambda: probe.node.count_publishers(TOPIC) == 2)
    time.sleep(1.0)  # what is to be shown is that nothing happens
    assert all(event.state != 'stopped' for event in probe.events)

    def is_stopped() -> bool:  # the sentinel listens by best effort, and may miss a word
        leader.stdin.write('speak\n')
        time.sleep(0.2)
        return any(event.state == 'stopped' for event in probe.events)

    probe.wait('a stop', is_stopped)
    stopped = probe.wait_event('stopped', f'{TOPIC}: /teleoperation')
    assert 'others publish commands' in stopped.reason
