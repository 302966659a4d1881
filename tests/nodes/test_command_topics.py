# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a listener of the robot's gets on command topics, over real DDS."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import JointState

from lingbot_policy.nodes.command_topics import CommandTopics
from lingbot_policy.nodes.encode import command_encoders
from lingbot_policy.robot import load_robot, Robot

pytestmark = pytest.mark.ros
ODD = Path(__file__).parents[1] / 'data' / 'robots' / 'odd.yaml'
PATIENCE_S = 90.0
EVERY = 20  # at 5 Hz of 100
PERIOD_S = 0.2


@pytest.fixture
def odd_wires() -> Robot:
    robot = load_robot(ODD)
    changes = {'claws': {'max_rate_hz': 5}, 'left': {'allowed_idle_publishers': ('stranger',)}}
    topics = {
        key: topic.model_copy(update=changes.get(key, {}))
        for key, topic in robot.file.command_topics.items()
    }
    return replace(robot, file=robot.file.model_copy(update={'command_topics': topics}))


class Listener:
    """The robot's end: all that arrives on the topics of the left arm and of the claws."""

    def __init__(self, robot: Robot) -> None:
        self.arm: list[float] = []
        self.claws: list[list[int]] = []
        self.node = Node('listener', enable_rosout=False)
        encoders = command_encoders(robot)
        for key, heard in (('left', self._on_arm), ('claws', self._on_claws)):
            topic = robot.file.command_topics[key].topic
            self.node.create_subscription(encoders[key].type, topic, heard, 1000)

    def _on_arm(self, msg) -> None:
        self.arm.append(msg.position[0])

    def _on_claws(self, msg) -> None:
        self.claws.append(msg.data.tolist())


class Graph:
    """A sender and a listener which take turns on one executor."""

    def __init__(self, robot: Robot) -> None:
        self.others: list[str] = []
        self.listener = Listener(robot)
        self.sender = Node('sender', enable_rosout=False)
        self.topics = CommandTopics(
            self.sender, robot, command_encoders(robot), lambda text, _: self.others.append(text)
        )
        self._executor = SingleThreadedExecutor()
        for node in (self.listener.node, self.sender):
            self._executor.add_node(node)
        self.wait('both ends', lambda: all(
            self.sender.count_subscribers(topic) == 2 and self.sender.count_publishers(topic) == 1
            for topic in ('/odd/left', '/odd/claws')
        ))  # fmt: skip

    def command(self, grip: float) -> None:
        self.topics.publish(
            np.array([0.0, 0.0, grip, 0.0, 0.0]), self.sender.get_clock().now().to_msg()
        )

    def wait(self, what: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f'not in time: {what}'
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self._executor.shutdown()
        for node in (self.sender, self.listener.node):
            node.destroy_node()


@pytest.fixture
def graph(ros_env, odd_wires) -> Iterator[Graph]:
    rclpy.init()
    found = Graph(odd_wires)
    yield found
    found.close()
    rclpy.try_shutdown()


def test_a_slower_topic_gets_one_command_in_so_many_and_at_last_the_last(graph):
    for number in range(2 * EVERY + 5):
        graph.command(number / 1000)
        graph.wait('the arm', lambda n=number: len(graph.listener.arm) > n)
    graph.wait('the last', lambda: len(graph.listener.claws) == 4)
    # 1 closed .. 1000 open: 0, 0.020, 0.040, and the last of 45
    assert [claws[0] for claws in graph.listener.claws] == [1, 21, 41, 45]

    end = time.monotonic() + 3 * PERIOD_S  # and then it is silent
    graph.wait('a while', lambda: time.monotonic() > end)
    assert len(graph.listener.claws) == 4
    graph.command(0.9)  # the next motion begins at its next turn, and ends with its last
    graph.wait('the next', lambda: len(graph.listener.claws) == 5)
    assert graph.listener.claws[-1][0] == 900
    assert graph.others == []


def test_who_speaks_is_named_once_and_for_as_long_as_it_speaks(graph):
    stranger = Node('stranger', enable_rosout=False)
    publisher = stranger.create_publisher(JointState, '/odd/left', 1)
    graph.wait('the stranger', lambda: graph.sender.count_publishers('/odd/left') == 2)
    assert graph.topics.others() == graph.others == []

    for number in range(3):
        graph.command(0.5)
        publisher.publish(JointState(position=[float(number)]))
        graph.wait('it', lambda n=number: float(n) in graph.listener.arm)
    graph.wait('it is told', lambda: graph.others)
    assert graph.others == ['others publish commands: /odd/left: /stranger']
    assert graph.topics.others() == ['/odd/left: /stranger']
    graph.wait('it is idle again', lambda: graph.topics.others() == [])
    stranger.destroy_node()


def test_the_last_command_gets_out_before_the_topics_are_destroyed(graph):
    for grip in (0.1, 0.2, 0.3):
        graph.command(grip)
    graph.topics.destroy()
    graph.wait('first and last', lambda: len(graph.listener.claws) == 2)
    assert [claws[0] for claws in graph.listener.claws] == [101, 301]


def test_who_asks_for_commands_of_before_would_hear_none(graph):
    """Ours are reliable and volatile: of what may be asked for only durability fails."""
    assert graph.topics.unheard() == []
    late_joiner = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    driver = graph.listener.node.create_subscription(
        JointState, '/odd/left', lambda _: None, late_joiner
    )
    graph.wait('its refusal', graph.topics.unheard)
    assert graph.topics.unheard() == ['/odd/left: /listener (transient local)']
    graph.listener.node.destroy_subscription(driver)
    graph.wait('nobody else', lambda: not graph.topics.unheard())
