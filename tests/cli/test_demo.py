# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: with real processes, and interrupted at any moment."""

from collections.abc import Callable, Iterator
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import textwrap
import time
import uuid

import pytest

from lingbot_policy.bags.summary import summarize
from lingbot_policy.robot import load_robot

pytestmark = [pytest.mark.ros, pytest.mark.timeout(300)]
MARK = 'LINGBOT_TEST_MARK'
STUB = ('--world', 'kinematic', '--policy', 'hold', '--headless')


class Demo:
    """A running ``lingbot`` command whose processes can be told from all others."""

    def __init__(self, folder: Path, arguments: tuple, env: dict[str, str]) -> None:
        self.mark = uuid.uuid4().hex
        self.log = folder / f'{self.mark}.log'
        self._stdout = (folder / f'{self.mark}.out').open('w+')
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-m', 'lingbot_policy.cli.main', *map(str, arguments)],
                env={**os.environ, **env, MARK: self.mark},
                cwd=folder,
                stdout=self._stdout,
                stderr=log,
                start_new_session=True,
            )

    def wait_for(self, words: str, timeout_s: float = 90.0) -> None:
        """Wait until the command has said something."""
        deadline = time.monotonic() + timeout_s
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def wait_for_processes(self, count: int) -> None:
        deadline = time.monotonic() + 60.0
        while len(self.processes()) < count:
            assert self.process.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.02)

    def end(self, timeout_s: float = 240.0) -> int:
        return self.process.wait(timeout=timeout_s)

    def said(self) -> str:
        return self.log.read_text()

    def printed(self) -> str:
        self._stdout.seek(0)
        return self._stdout.read()

    def processes(self) -> list[int]:
        """Return the ids of this command's living processes, itself included."""
        found = []
        for environ in Path('/proc').glob('[0-9]*/environ'):
            try:
                if f'{MARK}={self.mark}'.encode() in environ.read_bytes():
                    found.append(int(environ.parent.name))
            except OSError:
                continue
        return found

    def wait_gone(self, timeout_s: float = 90.0) -> None:
        deadline = time.monotonic() + timeout_s
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert self.processes() == []


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    """Give a function which starts ``lingbot``; whatever is left of it is killed at the end."""
    started = []

    def run(*arguments: object, **env: str) -> Demo:
        started.append(Demo(tmp_path, arguments, env))
        return started[-1]

    yield run
    for demo in started:
        for pid in demo.processes():
            os.kill(pid, signal.SIGKILL)
        demo.process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / 'disk'
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', 'size=800m', 'lingbot_test', str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f'no tmpfs can be mounted here: {mounted.stderr.strip()}')
    yield folder
    subprocess.run(['umount', '-l', str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits on the disk."""
    with pytest.raises(OSError, match='No space left'), path.open('wb', buffering=0) as file:
        while True:
            file.write(bytes(2**20))


def test_the_demo_says_what_it_reached_as_read_from_its_bag(start, tmp_path):
    demo = start('demo', *STUB, '--seconds', 5, '--json', '--out', 'result')
    code = demo.end()
    assert 'Traceback' not in demo.said()
    result = json.loads(demo.printed())
    assert code == (0 if result['ok'] else 1)
    assert result['ok'] == (result['failed'] == [])
    phase = result['phases'][0]
    assert phase['outside_limits'] == 0
    assert phase['published_equals_written'] is True
    assert phase['chunk_hz'] > 0.5
    assert 50.0 < phase['commands']['rate_hz'] < 210.0  # of 200; less on a machine at its limit
    assert phase['commands']['count'] > 500
    assert set(phase['cameras']) == {'head', 'left_wrist', 'right_wrist'}
    for camera in phase['cameras'].values():
        assert camera['written'] == camera['received'] > 10
    assert 0.0 < phase['latency_s']['capture_to_publish']['p95'] < 30.0
    assert phase['camera_size'] == [320, 240]
    (episode,) = phase['cadence']
    assert episode['strategies'] == ['replace']
    assert episode['figures']['policy_hz'] > 0.0
    assert episode['figures']['chunks_used'] > 1
    assert None not in episode['figures'].values()
    assert result['hardware']['cores'] >= 1
    assert result['versions']['numpy']
    bag = summarize(phase['bag'])
    counts = {topic.name: topic.count for topic in bag.topics}
    assert counts['/executed_command'] == phase['commands']['count']
    assert counts['/action_chunk'] == phase['chunks']
    assert json.loads((tmp_path / 'result' / 'result.json').read_text()) == result
    assert (tmp_path / 'result' / 'report.html').stat().st_size > 1e6
    demo.wait_gone()


@pytest.mark.parametrize('nodes', [0, 1, 3])
def test_ctrl_c_during_the_start_leaves_nothing_behind(start, nodes):
    demo = start('demo', *STUB)
    demo.wait_for('policies')
    demo.wait_for_processes(nodes + 1)
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130
    assert 'Traceback' not in demo.said()
    demo.wait_gone()


def test_ctrl_c_in_motion_disarms_and_leaves_a_readable_bag(start, tmp_path):
    demo = start('demo', *STUB, '--seconds', 60, '--out', 'result')
    demo.wait_for('gate moving')
    time.sleep(1.0)
    demo.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    demo.process.send_signal(signal.SIGINT)  # the impatient second one must not break the first
    assert demo.end() == 130
    assert 'Traceback' not in demo.said()
    demo.wait_gone()
    bag = summarize(recorded_bag(tmp_path / 'result'))
    assert bag.messages > 100
    log = (tmp_path / 'result' / 'log' / 'hold' / 'chunk_executor.log').read_text()
    braked, ended = log.splitlines()[-2:]
    assert 'moving -> ' in braked
    assert '-> disarmed: deactivated' in ended


def test_a_demo_that_is_killed_takes_its_nodes_along(start, tmp_path):
    demo = start('demo', *STUB, '--seconds', 60, '--out', 'result')
    demo.wait_for('gate moving')
    demo.process.kill()
    demo.end()
    demo.wait_gone(20.0)
    assert summarize(recorded_bag(tmp_path / 'result')).messages > 0


def test_a_foreign_endpoint_on_the_graph_is_refused(start, ros_env):
    program = textwrap.dedent("""
        import rclpy, time
        from sensor_msgs.msg import JointState
        rclpy.init()
        node = rclpy.create_node('real_arm')
        publisher = node.create_publisher(JointState, '/master/joint_left', 1)
        print('ready', flush=True)
        time.sleep(120)
    """)
    with subprocess.Popen(
        [sys.executable, '-c', program], env=ros_env, stdout=subprocess.PIPE
    ) as foreign:
        try:
            assert foreign.stdout.readline() == b'ready\n'
            demo = start('demo', *STUB, '--domain', ros_env['ROS_DOMAIN_ID'])
            assert demo.end() == 2
        finally:
            foreign.kill()
    assert 'refused' in demo.said()
    assert '/master/joint_left: /real_arm' in demo.said()
    assert 'Traceback' not in demo.said()


def test_missing_graphics_end_with_the_remedy(start):
    demo = start('demo', '--policy', 'hold', '--headless', MUJOCO_GL='bogus')
    assert demo.end() == 2
    assert "MUJOCO_GL='bogus'" in demo.said()
    assert 'libegl1' in demo.said()
    assert 'Traceback' not in demo.said()
    demo.wait_gone()


def test_a_bundle_which_is_none_ends_with_its_faults(start, tmp_path):
    (tmp_path / 'bundle').mkdir()
    (tmp_path / 'bundle' / 'policy.yaml').write_text('policy: lingbot\nrobot: other\n')
    demo = start(
        'demo', '--world', 'kinematic', '--headless', '--policy', 'lingbot', '--bundle', 'bundle'
    )
    assert demo.end() == 2
    for words in ('policy_server', 'policy.yaml', 'config.json: missing'):
        assert words in demo.said()
    assert 'Traceback' not in demo.said()


def test_a_disk_that_fills_up_is_said_and_the_bag_stays_readable(start, small_disk):
    demo = start('demo', *STUB, '--seconds', 6, '--out', small_disk / 'result')
    demo.wait_for('gate moving')
    fill(small_disk / 'filler')
    assert demo.end() in (1, 2)
    assert 'Traceback' not in demo.said()
    assert 'MiB free' in demo.said() or 'No space left' in demo.said()
    (small_disk / 'filler').unlink()
    assert summarize(recorded_bag(small_disk / 'result')).messages > 100


def test_a_message_type_that_is_not_installed_is_named(start, tmp_path):
    text = Path(load_robot('agilex_cobot_magic').path).read_text()
    (tmp_path / 'mine.yaml').write_text(
        text.replace('type: sensor_msgs/msg/JointState', 'type: gone_msgs/msg/ArmState')
    )
    demo = start('demo', *STUB, '--robot', 'mine.yaml')
    assert demo.end() == 2
    assert 'gone_msgs' in demo.said()
    assert 'Traceback' not in demo.said()


def test_up_waits_disarmed_until_an_operator_confirms(start, lingbot, ros_env):
    demo = start(
        'up', '--robot', 'agilex_cobot_magic', '--policy', 'hold', '--headless', **ros_env
    )
    demo.wait_for('gate disarmed')
    said = demo.said()
    assert 'a hand is on the emergency stop' in said
    assert 'Assumed' in said
    assert 'lingbot operate arm' in said
    refused = lingbot('operate', 'arm', **ros_env)
    assert refused.returncode == 2
    assert 'needs an operator' in refused.stderr
    assert lingbot('operate', 'disarm', **ros_env).stdout == 'disarmed\n'
    demo.process.send_signal(signal.SIGINT)
    assert demo.end() == 130
    assert 'Traceback' not in demo.said()
    demo.wait_gone()


def recorded_bag(folder: Path) -> Path:
    return next(path.parent for path in folder.rglob('*.mcap'))
