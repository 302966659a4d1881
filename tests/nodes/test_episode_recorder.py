# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder as a process, beside publishers which are processes of their own."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
import resource
import signal
import subprocess
import sys
import time

import pytest
import yaml

pytest.importorskip('rclpy', reason='needs ROS 2')

from diagnostic_msgs.msg import DiagnosticArray
from lingbot_msgs.msg import SafetyEvent
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.bags.read import open_bag
from lingbot_policy.bags.summary import summarize
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
ROBOT = 'agilex_cobot_magic'
PATIENCE_S = 90.0
LEFT, RIGHT = '/puppet/joint_left', '/puppet/joint_right'
HEAD = '/camera_f/color/image_raw'

# Publishes numbered messages: arguments are topic, type, rate, count, payload size, best effort.
# Creates the publisher, waits for a line, publishes, says so, and stays until its input ends.
PUBLISHER = """
import importlib, sys, time
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
topic, kind, rate, count, size, best_effort = sys.argv[1:7]
package, _, name = kind.split('/')
cls = getattr(importlib.import_module(package + '.msg'), name)
rclpy.init()
node = rclpy.create_node('talker')
kept = ReliabilityPolicy.BEST_EFFORT if best_effort == '1' else ReliabilityPolicy.RELIABLE
publisher = node.create_publisher(cls, topic, QoSProfile(depth=1000, reliability=kept))
print('ready', flush=True)
sys.stdin.readline()
while publisher.get_subscription_count() == 0:
    time.sleep(0.005)
due = time.monotonic()
for number in range(1, int(count) + 1):
    msg = cls()
    msg.header.frame_id = str(number)
    if hasattr(msg, 'data'):
        msg.data = bytes(int(size))
    publisher.publish(msg)
    due += 1 / float(rate)
    time.sleep(max(0.0, due - time.monotonic()))
print('done', flush=True)
sys.stdin.readline()
"""


class Talker:
    def __init__(self, env, topic, kind, rate=100, count=100, size=0, best_effort=False) -> None:
        arguments = [topic, kind, rate, count, size, int(best_effort)]
        self.process = subprocess.Popen(
            [sys.executable, '-c', PUBLISHER, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        assert self.process.stdout.readline() == 'ready\n'

    def go(self) -> None:
        self.process.stdin.write('\n')
        self.process.stdin.flush()

    def wait_done(self) -> None:
        assert self.process.stdout.readline() == 'done\n'

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


class Operator:
    """Calls the recorder's services and hears what it says about itself."""

    def __init__(self) -> None:
        self.events: list[SafetyEvent] = []
        self.statuses: list = []
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('operator', context=self._context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.node.create_subscription(
            SafetyEvent, 'safety_events', self.events.append, qos('safety_events')
        )
        self.node.create_subscription(
            DiagnosticArray,
            '/diagnostics',
            lambda array: self.statuses.extend(array.status),
            qos('diagnostics'),
        )

    def call(self, name: str) -> Trigger.Response:
        client = self.node.create_client(Trigger, f'/episode_recorder/{name}')
        assert client.wait_for_service(timeout_sec=PATIENCE_S)
        future = client.call_async(Trigger.Request())
        self._executor.spin_until_future_complete(future, timeout_sec=PATIENCE_S)
        self.node.destroy_client(client)
        return future.result()

    def start(self) -> Path:
        response = self.call('start')
        assert response.success, response.message
        return Path(json.loads(response.message)['path'])

    def stop(self) -> dict:
        response = self.call('stop')
        assert response.success, response.message
        return json.loads(response.message)

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, 'it did not happen'
            self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.shutdown()


@pytest.fixture
def operator(ros_env) -> Iterator[Operator]:
    operator = Operator()
    yield operator
    operator.close()


@pytest.fixture
def recorder(ros_env, tmp_path) -> Iterator[Callable[..., subprocess.Popen]]:
    started = []

    def start(**parameters) -> subprocess.Popen:
        given = {'robot': ROBOT, 'folder': tmp_path / 'bags' / 'bag', 'keep_free_mb': 0}
        arguments = ['--ros-args']
        for name, setting in {**given, **parameters}.items():
            arguments += ['-p', f'{name}:={setting}']
        log = (tmp_path / 'recorder.log').open('a')
        started.append(
            subprocess.Popen(
                [sys.executable, '-m', 'lingbot_policy.nodes.episode_recorder', *arguments],
                env=ros_env,
                stdout=log,
                stderr=log,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.fixture
def talker(ros_env) -> Iterator[Callable[..., Talker]]:
    talkers = []

    def start(*arguments, **options) -> Talker:
        talkers.append(Talker(ros_env, *arguments, **options))
        return talkers[-1]

    yield start
    for entry in talkers:
        entry.end()


JOINTS = 'sensor_msgs/msg/JointState'
IMAGE = 'sensor_msgs/msg/Image'


def numbers(path: Path, topic: str) -> list[int]:
    with open_bag(path) as bag:
        return [int(m.msg.header.frame_id) for m in bag.messages([topic])]


def test_everything_two_processes_publish_at_rate_is_received_and_written(
    recorder, operator, talker
):
    recorder()
    joints = talker(LEFT, JOINTS, rate=200, count=400)
    frames = talker(HEAD, IMAGE, rate=30, count=60, size=64 * 48 * 3, best_effort=True)
    path = operator.start()
    for entry in (joints, frames):
        entry.go()
    for entry in (joints, frames):
        entry.wait_done()
    result = operator.stop()

    left, head = result['topics'][LEFT], result['topics'][HEAD]
    assert (left['published'], left['received'], left['written']) == (400, 400, 400)
    assert (left['before'], left['lost'], left['certain']) == (0, 0, True)
    assert head['published'] - head['lost'] == head['received'] == head['written'] > 50
    assert result['path'] == str(path)
    assert numbers(path, LEFT) == list(range(1, 401))

    summary = summarize(path)
    assert summary.completeness == result['topics']
    with open_bag(path) as bag:
        assert bag.attachments()['robot.yaml'] == load_robot(ROBOT).text
        raw = list(bag.raw_messages([LEFT]))
    assert [m.sequence for m in raw] == list(range(1, 401))
    assert all(0 <= m.log_time_ns - m.publish_time_ns < 5e9 for m in raw)


def test_a_publisher_which_comes_later_is_recorded_with_the_qos_it_offers(
    recorder, operator, talker
):
    recorder()
    path = operator.start()
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = operator.node.create_publisher(String, 'policy_contract', latched)
    publisher.publish(String(data='{"policy": "hold"}'))
    late = talker(RIGHT, JOINTS, rate=100, count=50, best_effort=True)
    late.go()
    late.wait_done()
    operator.wait(lambda: publisher.get_subscription_count() > 0)
    result = operator.stop()

    assert result['topics']['/policy_contract']['written'] == 1
    assert result['topics'][RIGHT]['received'] > 0
    text = yaml.safe_load((path / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    offered = {
        t['topic_metadata']['name']: t['topic_metadata']['offered_qos_profiles'][0]
        for t in text['topics_with_message_count']
    }
    assert offered['/policy_contract']['durability'] == 'transient_local'
    assert offered[RIGHT]['reliability'] == 'best_effort'
    with open_bag(path) as bag:
        assert bag.attachments()['policy_contract.json'] == '{"policy": "hold"}'


def test_episodes_follow_each_other_and_a_discarded_one_is_gone(recorder, operator, tmp_path):
    recorder()
    first = operator.start()
    refused = operator.call('start')
    assert not refused.success
    assert 'is being recorded; stop it first' in refused.message
    operator.stop()
    second = operator.start()
    assert operator.call('discard').success
    assert (first.exists(), second.exists()) == (True, False)
    assert second.name == 'bag_2'
    assert not operator.call('stop').success
    assert not operator.call('discard').success


def test_ctrl_c_closes_the_bag(recorder, operator, talker, tmp_path):
    left = talker(LEFT, JOINTS, rate=100, count=100)
    process = recorder(record_on_activate=True, compression='zstd')
    left.go()
    left.wait_done()
    operator.wait(lambda: any(s.name == 'episode_recorder: recording' for s in operator.statuses))
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert numbers(tmp_path / 'bags' / 'bag', LEFT) == list(range(1, 101))


def test_a_full_disk_ends_the_recording_and_not_the_node(recorder, operator, talker):
    process = recorder()
    head = talker(HEAD, IMAGE, rate=50, count=80, size=100_000)
    path = operator.start()
    limit = 4 * 2**20  # of the size of a file: the same code path, without a disk to fill
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    head.go()
    operator.wait(lambda: any(e.source == 'episode_recorder' for e in operator.events))
    [event] = [e for e in operator.events if e.source == 'episode_recorder']
    assert event.severity == SafetyEvent.ERROR
    assert 'File too large' in event.reason
    assert str(path) in event.reason
    operator.wait(lambda: any(s.message == event.reason for s in operator.statuses))
    assert 'File too large' in operator.call('stop').message
    found = numbers(path, HEAD)
    assert found == list(range(found[0], found[0] + len(found)))
    assert len(found) >= 20

    infinity = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, infinity)
    assert operator.start().name == 'bag_2'
    assert operator.stop()['failure'] == ''


def test_a_type_which_is_not_installed_is_named_with_its_topic_and_package(recorder, tmp_path):
    text = load_robot(ROBOT).text.replace(JOINTS, 'nowhere_msgs/msg/Joints', 1)
    (tmp_path / 'robot.yaml').write_text(text)
    process = recorder(robot=tmp_path / 'robot.yaml')
    assert process.wait(timeout=60) == 2
    log = (tmp_path / 'recorder.log').read_text()
    assert f'topic {LEFT}: message type nowhere_msgs/msg/Joints' in log
    assert 'package nowhere_msgs is not installed' in log
