# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Robots as files of their own, simulated by real processes, and strangers beside them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import select
import subprocess
import sys

import pytest
import yaml

from lingbot_policy.robot import load_robot, parse_robot, Robot

pytest.importorskip('rclpy', reason='needs ROS 2')

from lingbot_policy.bringup import Deployment, node_specs, NodeSpec, Simulation
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.nodes.supervisor import Supervisor

STRANGER = """
import sys, time
import rclpy
from rclpy.node import Node
from lingbot_policy.nodes.encode import message_type
rclpy.init()
node = Node(sys.argv[1])
publisher = node.create_publisher(message_type(sys.argv[3]), sys.argv[2], 1)
print('ready', flush=True)
time.sleep(600)
"""


def set_field(content: dict, path: str, value: object) -> None:
    """Set what stands at a dotted path of a robot file."""
    *parents, last = path.split('.')
    for key in parents:
        content = content[key]
    content[last] = value


@pytest.fixture(scope='module')
def robot_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Robot]:
    """
    Return a maker of robots from a shipped file and changes by dotted path, written to a file.

    All are small and slow enough for a simulation on a busy machine, and stand in no pose in
    which one joint could be taken for another.
    """

    def make(base: str, name: str = 'mine', **changes: object) -> Robot:
        content = yaml.safe_load(Path(load_robot(base).path).read_text())
        for camera in content['cameras'].values():
            camera.update(width=96, height=72, fps=10)
        for topic in content['state_topics'].values():
            topic['rate_hz'] = 100
        for number, arm in enumerate(content['arms'].values()):
            ends = zip(arm['lower'], arm['upper'], strict=True)
            arm['home'] = [
                round(low + (0.35 + 0.04 * i + 0.03 * number) * (high - low), 4)
                for i, (low, high) in enumerate(ends)
            ]
        for number, gripper in enumerate(content['grippers'].values()):
            gripper['home'] = 0.6 + 0.1 * number
        for path, value in changes.items():
            set_field(content, path, value)
        target = tmp_path_factory.mktemp('robot') / f'{name}.yaml'
        target.write_text(yaml.safe_dump(content, sort_keys=False))
        return parse_robot(target.read_text(), str(target))

    return make


@pytest.fixture(scope='module')
def shared_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Give all tests of a module one ROS graph, for rows which do not disturb each other."""
    folder = tmp_path_factory.mktemp('ros_log')
    with pytest.MonkeyPatch.context() as patch, private_domain() as domain:
        for name in ('ROS_STATIC_PEERS', 'ROS_LOCALHOST_ONLY'):
            patch.delenv(name, raising=False)
        for name, setting in isolated_environment(domain, folder).items():
            patch.setenv(name, setting)
        yield dict(os.environ)


@contextmanager
def starter(env: dict[str, str], folder: Path) -> Iterator[Callable[..., None]]:
    """Give a function which starts some nodes of a deployment, as processes."""
    started: list[Supervisor] = []

    def run(specs: tuple[NodeSpec, ...]) -> None:
        started.append(Supervisor(specs, env, folder / f'run_{len(started)}'))
        started[-1].start()

    try:
        yield run
    finally:
        for supervisor in started:
            supervisor.stop()


def simulation_of(robot: Robot) -> tuple[NodeSpec, ...]:
    world = Simulation('kinematic', width=96, height=72, fps=10.0)
    return node_specs(Deployment(robot.path, simulation=world))[:1]


@pytest.fixture
def start(ros_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., None]]:
    with starter(ros_env, tmp_path) as run:
        yield run


@pytest.fixture
def simulate(start: Callable[..., None]) -> Callable[[Robot], None]:
    """Start the simulated robot alone, for this test."""
    return lambda robot: start(simulation_of(robot))


@pytest.fixture(scope='module')
def simulate_for_all(
    shared_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Robot], None]]:
    """Start a simulated robot for all tests of a module."""
    with starter(shared_env, tmp_path_factory.mktemp('sim')) as run:
        yield lambda robot: run(simulation_of(robot))


@pytest.fixture
def serve(start: Callable[..., None]) -> Callable[[str], None]:
    """Start the policy server alone, with the policy that holds."""
    return lambda robot: start(node_specs(Deployment(robot, 'hold'))[-1:])


@pytest.fixture
def stranger(ros_env: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start another process which is a publisher on a topic; it says nothing there."""
    processes: list[subprocess.Popen] = []

    def start(name: str, topic: str, kind: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, '-c', STRANGER, name, topic, kind],
            env=ros_env,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert select.select([process.stdout], [], [], 40)[0], 'the stranger does not start'
        assert process.stdout.readline() == 'ready\n'
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
