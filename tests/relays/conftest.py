# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Robots behind relays, and the ROS 2 side of a relay that runs as a process of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import threading
import time

import pytest
import yaml

LEFT = [f'left_{number}' for number in range(1, 8)]
RIGHT = [f'right_{number}' for number in range(1, 8)]
PATIENCE_S = 90.0


def robot_text(link: str, unit: str, closed: float) -> dict:
    """Return a robot file for a relay: limits +-1.5 rad, left J4 up to 2."""

    def arm(side: str, joints: list[str], start: int) -> dict:
        places = list(range(start, start + 7))
        return {
            'joints': joints,
            'lower': [-1.5] * 7,
            'upper': [1.5, 1.5, 1.5, 2.0 if side == 'left' else 1.5, 1.5, 1.5, 1.5],
            'safe_max_velocity': [1.0] * 7,
            'max_acceleration': [10.0] * 7,
            'home': [0.0] * 7,
            'state': {'source': 'arms', 'index': places},
            'command': {'target': 'arms', 'index': places},
        }

    def gripper(side: str, place: int) -> dict:
        scale = {'index': place, 'unit': unit, 'closed': closed, 'open': 0.0}
        return {
            'joint': f'{side}_gripper',
            'carrier': 'topic_pair',
            'max_speed': 1.0,
            'home': 1.0,
            'state': {'source': 'grippers', **scale},
            'command': {'target': 'grippers', **scale},
        }

    def camera(name: str) -> dict:
        return {
            'topic': f'/relay/camera_{name}/compressed',
            'type': 'sensor_msgs/msg/CompressedImage',
            'transport': 'compressed',
            **{'encoding': 'jpeg', 'width': 640, 'height': 480, 'fps': 30},
        }

    kind = {'type': 'sensor_msgs/msg/JointState'}
    return {
        'schema_version': 1,
        'name': 'relayed',
        'title': 'A robot behind a relay',
        'link': link,
        'ros_distro': 'noetic',
        'base_frame': 'base_link',
        **{'policy_rate_hz': 10, 'command_rate_hz': 50, 'servo_rate_hz': 500},
        'state_topics': {
            'arms': {'topic': '/relay/joint_states', **kind, 'rate_hz': 100},
            'grippers': {'topic': '/relay/gripper_states', **kind, 'rate_hz': 50},
        },
        'command_topics': {
            'arms': {'topic': '/relay/joint_commands', **kind},
            'grippers': {'topic': '/relay/gripper_commands', **kind},
        },
        'arms': {'left': arm('left', LEFT, 0), 'right': arm('right', RIGHT, 7)},
        'grippers': {'left': gripper('left', 0), 'right': gripper('right', 1)},
        'cameras': {
            'head': camera('head'),
            'left_wrist': camera('left'),
            'right_wrist': camera('right'),
        },
        'safety': {},
        'geometry': {'provenance': 'none', 'stand_in': True, 'arms': {}, 'cameras': {}},
        'sources': ['made up'],
    }


@pytest.fixture
def kuavo_like() -> dict:
    return robot_text('rosbridge', 'percent', 100.0)


@pytest.fixture
def qinglong_like() -> dict:
    return robot_text('udp', 'deg', 90.0)


def wait(what: str, condition: Callable[[], object], timeout_s: float = PATIENCE_S):
    """Wait until ``condition()``, and return what it returned."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f'not within {timeout_s:g} s: {what}')
        time.sleep(0.005)
    return found


@pytest.fixture(name='wait')
def wait_fixture() -> Callable:
    return wait


class Ros2Side:
    """Hears what a relay publishes, with arrival times; commands and switches it."""

    def __init__(self) -> None:
        from diagnostic_msgs.msg import DiagnosticArray
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor
        from rclpy.node import Node
        from rclpy.signals import SignalHandlerOptions
        from sensor_msgs.msg import CompressedImage, JointState
        from std_srvs.srv import SetBool

        self.joints: list[tuple[float, JointState]] = []
        self.grippers: list[JointState] = []
        self.images: dict[str, list[CompressedImage]] = {}
        self.status: dict[str, str] = {}
        self.health = ''
        self._kinds = JointState, SetBool
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = node = Node('ros2_side', context=self._context, enable_rosout=False)
        node.create_subscription(
            JointState,
            '/relay/joint_states',
            lambda msg: self.joints.append((time.monotonic(), msg)),
            10,
        )
        node.create_subscription(JointState, '/relay/gripper_states', self.grippers.append, 10)
        for name in ('head', 'left', 'right'):
            images = self.images[name] = []
            topic = f'/relay/camera_{name}/compressed'
            node.create_subscription(CompressedImage, topic, images.append, 10)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._arms = node.create_publisher(JointState, '/relay/joint_commands', 1)
        self._grippers = node.create_publisher(JointState, '/relay/gripper_commands', 1)
        self._client = node.create_client(SetBool, '/relay/enable')
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()
        self._stop_commands = threading.Event()

    def command(self, arms=None, grippers=None, age_s: float = 0.0, names=()) -> None:
        stamp = self.node.get_clock().now().nanoseconds - round(age_s * 1e9)
        for publisher, positions in ((self._arms, arms), (self._grippers, grippers)):
            if positions is not None:
                msg = self._kinds[0](position=[float(p) for p in positions], name=list(names))
                msg.header.stamp.sec, msg.header.stamp.nanosec = divmod(stamp, 10**9)
                publisher.publish(msg)

    @contextmanager
    def commanding(self, arms, grippers=None, rate_hz: float = 50.0) -> Iterator[None]:
        """Command at a rate as long as the block lasts."""
        stop = threading.Event()

        def publish() -> None:
            while not stop.wait(1.0 / rate_hz):
                self.command(arms, grippers)

        thread = threading.Thread(target=publish, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def switch(self, enable: bool) -> tuple[bool, str]:
        wait('the service /relay/enable', self._client.service_is_ready)
        future = self._client.call_async(self._kinds[1].Request(data=enable))
        wait('an answer of /relay/enable', future.done)
        return future.result().success, future.result().message

    def enable(self) -> None:
        """Enable as soon as the relay has heard the robot."""
        wait('commands enabled', lambda: self.switch(True)[0])

    def close(self) -> None:
        self._context.try_shutdown()
        self._thread.join(timeout=5.0)

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass

    def _on_diagnostics(self, msg) -> None:
        for status in msg.status:
            if status.name.startswith('relay'):
                self.health = status.message
                self.status = {pair.key: pair.value for pair in status.values}


@pytest.fixture
def ros2_side(ros_env) -> Iterator[Ros2Side]:
    pytest.importorskip('rclpy', reason='needs ROS 2')
    side = Ros2Side()
    yield side
    side.close()


@pytest.fixture
def start_relay(ros_env, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a relay's process for a robot; it ends with the test, by SIGINT."""
    started: list[subprocess.Popen] = []

    def start(executable: str, robot: dict, **parameters) -> subprocess.Popen:
        path = tmp_path / 'relayed.yaml'
        path.write_text(yaml.safe_dump(robot))
        arguments = [sys.executable, '-m', f'lingbot_policy.nodes.{executable}', '--ros-args']
        for name, value in {'robot': path, **parameters}.items():
            arguments += ['-p', f'{name}:={value}']
        process = subprocess.Popen(arguments, env=ros_env)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
    for process in started:
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
