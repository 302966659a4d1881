# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""`lingbot up` in a terminal, beside a simulation which stands for the robot."""

from collections.abc import Iterator
import os
from pathlib import Path
import pty
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.cli.running import NOT_YET
from lingbot_policy.commissioning.confirmations import (
    Confirmations,
    motion_digest,
    save_confirmations,
)
from lingbot_policy.nodes.monitor import Monitor
from lingbot_policy.nodes.supervisor import Supervisor
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
PATIENCE_S = 90.0
ROBOT = 'agilex_cobot_magic'


class Terminal:
    """A command in a terminal of its own: what it shows, and keys to press."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        os.set_blocking(self._ours, False)
        self.shown = ''

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while words not in ' '.join(self._look().split()):
            assert time.monotonic() < deadline, f'no {words!r} in:\n{self.shown[-9000:]}'
            time.sleep(0.05)

    def wait_end(self) -> int:
        """Return the exit code; a terminal that nobody reads would block the command."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown[-3000:]
            self._look()
            time.sleep(0.05)
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _look(self) -> str:
        try:
            self.shown += os.read(self._ours, 65536).decode(errors='replace')
        except (BlockingIOError, OSError):  # nothing new, or the other end is closed
            pass
        return self.shown


@pytest.fixture
def robot(ros_env: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """The simulated robot alone, as if it were a real one."""
    specs = node_specs(Deployment(ROBOT, simulation=Simulation(world='kinematic')))
    supervisor = Supervisor(specs[:1], ros_env, tmp_path / 'robot')
    supervisor.start()
    yield
    supervisor.stop()


@pytest.fixture
def terminal(robot, ros_env: dict[str, str], request) -> Iterator[Terminal]:
    command = [sys.executable, '-m', 'lingbot_policy.cli.main', 'up']
    command += ['--robot', ROBOT, '--policy', 'hold', '--operator-confirms']
    if 'confirmed' in request.fixturenames:
        command += ['--serial', request.getfixturevalue('confirmed')]
    found = Terminal(command, {**ros_env, 'COLUMNS': '200', 'LINES': '50', 'TERM': 'xterm'})
    yield found
    found.close()


@pytest.fixture
def confirmed(ros_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a serial number under which everything assumed of the robot was confirmed."""
    monkeypatch.setenv('LINGBOT_CONFIG_DIR', str(tmp_path / 'config'))
    ros_env['LINGBOT_CONFIG_DIR'] = str(tmp_path / 'config')
    robot = load_robot(ROBOT)
    known = Confirmations(robot.name, 'PIPER-07', motion_digest(robot))
    save_confirmations(robot, known.with_fields(robot.assumed_motion_fields, 'operator'))
    return 'PIPER-07'


@pytest.fixture
def monitor(ros_env: dict[str, str]) -> Iterator[Monitor]:
    found = Monitor()
    yield found
    found.close()


def arm(monitor: Monitor) -> None:
    """Arm; the executor may hear of contract and joints a little later than the monitor."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            monitor.call('chunk_executor/arm', PATIENCE_S)
            return
        except ValueError as error:
            assert any(text in str(error) for text in NOT_YET), error
            assert time.monotonic() < deadline, error
        time.sleep(0.2)


def test_any_key_stops_and_only_c_clears_it(terminal, monitor):
    terminal.wait_for('space stops')
    assert monitor.wait_contract(PATIENCE_S)
    terminal.wait_for('commands')
    with pytest.raises(ValueError, match='lingbot jog'):  # what is assumed was never confirmed
        monitor.call('chunk_executor/arm', PATIENCE_S)

    terminal.press('x')
    terminal.wait_for('stop asked for')
    terminal.press('c')
    terminal.wait_for('stop cleared')

    terminal.process.send_signal(signal.SIGINT)
    assert terminal.wait_end() == 130


def test_ctrl_c_holds_armed_arms_until_their_operator_has_seen_to_them(
    confirmed, terminal, monitor
):
    terminal.wait_for('space stops')
    assert monitor.wait_contract(PATIENCE_S)
    terminal.wait_for('all nodes are active')
    arm(monitor)
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait_for('holding meanwhile: 1. Support both arms')
    terminal.wait_for('Commands flow until a key')
    assert terminal.process.poll() is None
    terminal.press(' ')
    assert terminal.wait_end() == 130
