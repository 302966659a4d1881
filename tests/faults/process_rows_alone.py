# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Faults which need a line of their own: its supervisor, its terminal, its network, its files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
import fcntl
import os
from pathlib import Path
import signal
import subprocess
import sys
import termios

import psutil
from rclpy.qos import DurabilityPolicy, QoSProfile
import yaml

from lingbot_policy.bringup import NodeSpec
from lingbot_policy.commissioning.confirmations import load_confirmations, save_confirmations
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.supervisor import Supervisor
from lingbot_policy.robot import load_robot
from tests.faults.network import Link, linked_namespaces, refusal, UDP_ONLY
from tests.faults.process_line import (
    closing_line,
    line_specs,
    private_graph,
    ProcessLine,
    running_line,
)
from tests.faults.process_row import process_row

MODULE = 'lingbot_policy.nodes.'
END_S = 60.0
SERIAL = 'fault-matrix'


class Driven:
    """A deployment in a process with a terminal of its own, in the place of a Supervisor."""

    def __init__(self, robot: str, env: dict[str, str], folder: Path) -> None:
        self._command = [sys.executable, '-m', 'tests.faults.driver', robot, str(folder)]
        self._env = env
        self.terminal = -1

    @property
    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in self.nodes().items()}

    def start(self) -> None:
        self.terminal, theirs = os.openpty()
        self.process = subprocess.Popen(
            self._command,
            env={**os.environ, **self._env},
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_own_terminal,
        )
        os.close(theirs)

    def nodes(self) -> dict[str, psutil.Process]:
        """Return its nodes by executable."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            named = [part for part in child.cmdline() if part.startswith(MODULE)]
            found.update({named[0].removeprefix(MODULE): child} if named else {})
        return found

    def poll(self) -> list:
        return []

    def stop(self) -> None:
        if self.terminal >= 0:
            os.close(self.terminal)
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def driven_line(robot: str) -> Iterator[ProcessLine]:
    """Run a line as the command ``lingbot`` does, with a terminal of its own."""
    with private_graph() as (env, folder):
        line = ProcessLine(robot, [Driven(robot, env, folder / 'log')], env, folder)
        with closing_line(line):
            line.start()
            line.expect_nodes({'sim_robot', 'chunk_executor', 'policy_server'})
            yield line


def end_driven(line: ProcessLine, end) -> None:
    """End the command by ``end``: the arms brake, and no process is left."""
    driven = line.supervisors[0]
    nodes = list(driven.nodes().values())
    line.fault()
    end(driven)
    line.see('disarm', 'deactivated')
    line.wait('every process ends', lambda: not any(map(_runs, nodes)), END_S)
    line.see('silent')


@process_row('disarm, silent', 'kill -9 of the command which supervises', alone=driven_line)
def supervisor_killed(line: ProcessLine) -> None:
    end_driven(line, lambda driven: driven.process.kill())


@process_row('disarm, silent', 'Ctrl-C', alone=driven_line)
def ctrl_c(line: ProcessLine) -> None:
    end_driven(line, lambda driven: driven.process.send_signal(signal.SIGINT))


@process_row('disarm, silent', 'the terminal is lost, as with its SSH session', alone=driven_line)
def terminal_lost(line: ProcessLine) -> None:
    def hang_up(driven: Driven) -> None:
        os.close(driven.terminal)
        driven.terminal = -1

    end_driven(line, hang_up)


@contextmanager
def parted_line(robot: str) -> Iterator[ProcessLine]:
    """
    Run the robot and the rest of its line in two network namespaces with a link between.

    A simulation refuses a network, so the executor takes the robot for a real, confirmed one.
    """
    with private_graph() as (env, folder), linked_namespaces(f'lb{os.getpid()}') as link:
        profile = folder / 'udp.xml'
        profile.write_text(UDP_ONLY)
        env |= {
            'FASTRTPS_DEFAULT_PROFILES_FILE': str(profile),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'SUBNET',
            'LINGBOT_CONFIG_DIR': str(folder / 'config'),
        }
        os.environ.update(env)
        (folder / 'disk').mkdir()
        real = {'simulation': False, 'operator_confirms': True, 'serial': confirm(robot)}
        specs = line_specs(robot, folder, **real)
        far = tuple(spec for spec in specs if spec.executable == 'sim_robot')
        near = tuple(spec for spec in specs if spec not in far)
        supervisors = [
            Placed(far, env, folder / 'far', link, 'r'),
            Placed(near, env, folder / 'near', link, 'o'),
        ]
        with link.inside('o'):
            line = ProcessLine(robot, supervisors, env, folder)
        line.link = link
        with closing_line(line):
            line.start()
            yield line


def confirm(robot: str) -> str:
    """Confirm every assumed field of a robot, and return the serial number that it is given."""
    known = load_robot(robot)
    confirmed = load_confirmations(known, SERIAL).with_fields(known.assumed_motion_fields, 'test')
    save_confirmations(known, confirmed)
    return SERIAL


class Placed(Supervisor):
    """A supervisor whose processes live at one end of a link."""

    def __init__(self, specs, env, log_dir: Path, link: Link, end: str) -> None:
        super().__init__(specs, env, log_dir)
        self._link, self._end = link, end

    def start(self) -> None:
        with self._link.inside(self._end):
            super().start()

    def poll(self) -> list:
        with self._link.inside(self._end):
            return super().poll()


@process_row(
    'hold, resume',
    'the network to the robot is cut, and mended',
    'stale_state',
    alone=parted_line,
    fresh=True,
    needs=lambda robot: refusal(),
)
def network_cut(line: ProcessLine) -> None:
    line.fault()
    line.link.cut()
    line.see('hold', 'stale_state')
    line.link.mend()
    line.see('resume')


@process_row(
    'hold, resume',
    'only what the robot says is lost, what it is told arrives',
    'stale_state',
    alone=parted_line,
    fresh=True,
    needs=lambda robot: refusal(),
)
def network_cut_one_way(line: ProcessLine) -> None:
    line.fault()
    line.link.cut_from_robot()
    line.see('hold', 'stale_state')
    line.link.mend_from_robot()
    line.see('resume')


@contextmanager
def slow_line(robot: str) -> Iterator[ProcessLine]:
    """Run a line whose server infers less often than the deadman waits."""

    def slow(spec: NodeSpec, folder: Path) -> NodeSpec:
        if spec.executable != 'policy_server':
            return spec
        return replace(spec, parameters={**spec.parameters, 'max_rate_hz': 0.35})

    with running_line(robot, slow) as line:
        yield line


@process_row(
    'hold, resume, hold, resume',
    'the policy server sends a chunk every 2.9 s, the deadman waits 2 s',
    'deadman',
    alone=slow_line,
)
def server_slow(line: ProcessLine) -> None:
    line.fault()
    for _ in range(2):
        line.see('hold', 'deadman')
        line.see('resume')


@contextmanager
def mistyped_line(robot: str) -> Iterator[ProcessLine]:
    """Run a line whose executor expects another type on a state topic than the robot sends."""

    def mistype(spec: NodeSpec, folder: Path) -> NodeSpec:
        if spec.executable != 'chunk_executor':
            return spec
        file = yaml.safe_load(load_robot(robot).text)
        next(iter(file['state_topics'].values()))['type'] = 'sensor_msgs/msg/MultiDOFJointState'
        path = folder / 'mistyped.yaml'
        path.write_text(yaml.safe_dump(file))
        return replace(spec, parameters={**spec.parameters, 'robot': str(path)})

    with running_line(robot, mistype) as line:
        yield line


@process_row(
    'refuse to arm',
    'a state topic has another type than the robot file says',
    'never received',
    alone=mistyped_line,
    moving=False,
)
def state_of_another_type(line: ProcessLine) -> None:
    line.fault()
    line.probe.wait_chunks(5)
    line.see('refuse to arm', 'never received')


@process_row(
    'refuse to arm',
    'a driver asks for a QoS which commands are not sent with',
    'would not be heard',
    alone=running_line,
    moving=False,
)
def driver_of_another_qos(line: ProcessLine) -> None:
    topic = next(iter(line.robot.file.command_topics.values()))
    late_joiner = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = line.probe.node.create_subscription(
        message_type(topic.type), line.robot.topic(topic.topic), lambda _: None, late_joiner
    )
    line.fault()
    line.see('refuse to arm', 'would not be heard')
    line.probe.node.destroy_subscription(subscription)


def _own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
