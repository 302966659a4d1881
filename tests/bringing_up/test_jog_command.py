# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot jog`` in a terminal, with an operator who answers."""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from typing import NamedTuple

import pytest

from lingbot_policy.commissioning.confirmations import (
    Confirmations,
    motion_digest,
    save_confirmations,
)
from lingbot_policy.robot import Robot

pytestmark = pytest.mark.ros
PATIENCE_S = 90.0
BEGIN = 'Enter begins to command'
ARMED = 'Finish the arming steps'
MOVE = 'Enter moves it'
SEEN = 'Did you see just that?'
DISARM = 'Commands flow until Enter'
QUICK = {  # so that 2 % of it is over soon
    'arms.left.motor_max_velocity': [15.0] * 6,
    'arms.left.safe_max_velocity': [12.0] * 6,
    'arms.right.motor_max_velocity': [15.0] * 6,
    'arms.right.safe_max_velocity': [12.0] * 6,
    'grippers.left.max_speed': 16.0,
}


class Terminal:
    """A terminal in which the command runs."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self._keyboard, terminal = os.openpty()
        self.text = ''
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'lingbot_policy.cli.main', *arguments],
            env={**os.environ, 'LINGBOT_CONFIG_DIR': str(folder), 'COLUMNS': '200'},
            stdin=terminal,
            stderr=subprocess.PIPE,
            text=True,
            bufsize=0,
        )
        os.close(terminal)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._read_until = 0

    def press(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def answer(self, question: str, words: str = '') -> None:
        """Wait for a question which was not answered yet, and answer it."""
        self.wait_for(question)
        self._read_until = self.text.index(question, self._read_until) + len(question)
        self.press(f'{words}\n')

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.text[self._read_until :]:
            assert time.monotonic() < deadline, f'waiting for {text!r}, got:\n{self.text}'
            assert self._process.poll() is None or text in self.text, self.text
            time.sleep(0.02)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        code = self._process.wait(timeout=PATIENCE_S)
        self._reader.join()
        return code

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process.stderr.close()
        os.close(self._keyboard)

    def _read(self) -> None:
        while character := self._process.stderr.read(1):
            self.text += character


class Opened(NamedTuple):
    """A terminal, the robot that is jogged in it, and where confirmations go."""

    operator: Terminal
    robot: Robot
    folder: Path


@pytest.fixture(scope='module')
def opened(
    shared_env: dict[str, str], robot_file, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Opened]]:
    """Start one terminal for each test at once: each waits for its operator, in its own domain."""
    assumed = ['arms.left.safe_max_velocity', 'command_topics.left.topic', 'safety.watchdog']
    robots = {
        'last': robot_file('agilex_cobot_magic', assumed=assumed, **QUICK),
        'key': robot_file('agilex_cobot_magic'),
        'seen': robot_file('agilex_cobot_magic', **QUICK),
        'interrupted': robot_file('agilex_cobot_magic'),
    }
    joints = {
        'key': ['fl_joint2'],
        'seen': ['fl_gripper', 'fl_joint2'],
        'interrupted': ['fl_joint2'],
    }
    found: dict[str, Opened] = {}
    for name, robot in robots.items():
        folder = tmp_path_factory.mktemp(name)
        if name == 'last':
            with pytest.MonkeyPatch.context() as patch:
                jogged(robot, folder, patch, but='fr_joint1')
        arguments = ['--robot', robot.path]
        for joint in joints.get(name, []):
            arguments += ['--joint', joint]
        found[name] = Opened(Terminal(['jog', '--simulation', *arguments], folder), robot, folder)
    yield found
    for each in found.values():
        each.operator.close()


def jogged(robot: Robot, folder: Path, patch: pytest.MonkeyPatch, but: str) -> None:
    """Note every joint as jogged but one."""
    patch.setenv('LINGBOT_CONFIG_DIR', str(folder))
    others = {joint: 'yesterday' for joint in robot.joints if joint != but}
    known = Confirmations(robot.name, 'simulation', motion_digest(robot), joints=others)
    save_confirmations(robot, known)


def confirmed_fields(folder: Path) -> dict[str, str]:
    (path,) = folder.rglob('*.json')
    return json.loads(path.read_text())['fields']


def test_the_last_joint_is_jogged_and_every_assumed_field_is_confirmed(opened):
    operator, robot, folder = opened['last']
    operator.answer(BEGIN)
    operator.answer(ARMED)
    operator.wait_for('joint 1 of the right arm (fr_joint1) turns by')
    operator.answer(MOVE)
    operator.answer(SEEN, 'y')
    operator.answer(DISARM)
    operator.answer('arms.left.safe_max_velocity = [12.0,', 'y')
    operator.answer('safety.watchdog = ', 'n')
    assert operator.end() == 1
    assert 'arming is refused: safety.watchdog' in operator.text
    assert confirmed_fields(folder) == {
        'command_topics.left.topic': 'motion',
        'arms.left.safe_max_velocity': 'operator',
    }

    again = Terminal(['jog', '--simulation', '--robot', robot.path], folder)  # nothing to move
    try:
        again.answer('safety.watchdog = ', 'y')
        assert again.end() == 0
    finally:
        again.close()
    assert len(confirmed_fields(folder)) == 3


def test_a_key_in_motion_stops_and_confirms_nothing(opened):
    operator, _, folder = opened['key']
    operator.answer(BEGIN)
    operator.answer(ARMED)
    operator.answer(MOVE)
    time.sleep(1.0)
    operator.press(' ')
    operator.wait_for('STOPPED: a key was pressed')
    assert operator.end() == 1
    assert not list(folder.rglob('*.json'))


def test_what_the_operator_saw_counts(opened):
    operator, _, folder = opened['seen']
    operator.answer(BEGIN)
    operator.answer(ARMED)
    operator.answer(MOVE)
    operator.answer(SEEN, 'n')
    operator.answer('Which one moved?', 'fr_gripper')
    operator.answer('Which way first?', '-')
    operator.wait_for('NOT CONFIRMED: fr_gripper was seen to move for fl_gripper: sides are')
    assert operator.end() == 1
    assert not list(folder.rglob('*.json'))


def test_ctrl_c_in_motion_ends_in_order(opened):
    operator, _, folder = opened['interrupted']
    operator.answer(BEGIN)
    operator.answer(ARMED)
    operator.answer(MOVE)
    time.sleep(0.5)
    operator.interrupt()
    assert operator.end() == 130
    assert 'Traceback' not in operator.text
    assert not list(folder.rglob('*.json'))


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--robot', 'agilex_cobot_magic'), 'expected the serial number'),
        (('--robot', 'agilex_cobot_magic', '--serial', 'simulation'), 'expected the serial'),
        (('--robot', 'agilex_cobot_magic', '--serial', 'A1'), 'needs a terminal'),
        (('--robot', 'agilex_cobot_magic', '--simulation', '--serial', 'A1'), 'no --serial'),
    ],
)
def test_without_a_serial_or_a_terminal_nothing_is_started(arguments, said):
    ended = subprocess.run(
        [sys.executable, '-m', 'lingbot_policy.cli.main', 'jog', *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ended.returncode == 2
    assert said in ended.stderr
