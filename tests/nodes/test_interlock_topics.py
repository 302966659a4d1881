# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Whose recorder an executor takes for its own, over real DDS."""

from collections.abc import Callable, Iterator
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from diagnostic_msgs.msg import DiagnosticArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from lingbot_policy.nodes.diagnostics import Diagnostics, OK
from lingbot_policy.nodes.executor_parameters import ChunkExecutorParameters
from lingbot_policy.nodes.interlock_topics import InterlockTopics
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
ROBOT, OTHER = 'agilex_cobot_magic', 'realman_rs02'
PATIENCE_S = 90.0


class Graph:
    """An executor's interlocks in /left, recorders beside them, and all the latter say."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self._faults: list[tuple[str, str]] = []
        self._nodes = [Node('chunk_executor', namespace='/left', enable_rosout=False)]
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._nodes[0])
        self.interlocks = InterlockTopics(
            self._nodes[0],
            load_robot(ROBOT),
            ChunkExecutorParameters(robot=ROBOT, needs_recorder=True),
            lambda topic, words: self._faults.append((topic, words)),
        )
        self._nodes[0].create_subscription(  # made last: it hears what the interlocks have heard
            DiagnosticArray, '/diagnostics', self._on_diagnostics, qos('diagnostics')
        )

    def record(self, robot: str, namespace: str, says: str = 'recording') -> None:
        """Let a recorder say what it does until it is heard, and heard once more."""
        node = Node('episode_recorder', namespace=namespace, enable_rosout=False)
        self._nodes.append(node)
        recorder = Diagnostics(node, 'recording', robot, lambda: (OK, says, {'lost': 0}))
        for _ in range(2):
            self.heard.clear()
            self.wait(lambda: recorder.publish() or (robot, says) in self.heard)
        recorder.destroy()

    def hold_reason(self) -> str:
        return self.interlocks.hold_reason(time.monotonic_ns())

    def wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, 'not heard in time'
            self._executor.spin_once(timeout_sec=0.02)

    def close(self) -> None:
        self._executor.shutdown()
        self.interlocks.destroy()
        for node in self._nodes:
            node.destroy_node()

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        self.heard += [(status.hardware_id, status.message) for status in msg.status]


@pytest.fixture
def graph(ros_env) -> Iterator[Graph]:
    rclpy.init()
    found = Graph()
    yield found
    found.close()
    rclpy.try_shutdown()


def test_the_robots_own_recorder_lets_the_arms_move(graph):
    assert graph.hold_reason() == 'recorder: never heard'
    graph.record(ROBOT, '/left')
    assert graph.hold_reason() == ''


@pytest.mark.parametrize(
    ('robot', 'namespace', 'says'),
    [
        (OTHER, '/left', 'recording'),
        (ROBOT, '/right', 'recording'),
        (ROBOT, '/', 'recording'),
        (ROBOT, '/left', 'not recording'),
    ],
)
def test_no_other_recorder_counts_and_none_that_writes_nothing(graph, robot, namespace, says):
    graph.record(robot, namespace, says)
    assert graph.hold_reason() == 'recorder: never heard'
