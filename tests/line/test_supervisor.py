# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""However the supervisor ends, the arms are braked and no process is left behind."""

from collections.abc import Iterator
import contextlib
from dataclasses import dataclass, replace
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import psutil
import pytest

from lingbot_policy.bringup import Deployment, node_specs
from lingbot_policy.nodes.supervisor import Supervisor
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
END_S = 60.0
START_S = 90.0  # a node that still imports ends when it has done so
DRIVER = """
import json
import os
from pathlib import Path
import signal
import sys
import time

from lingbot_policy.bringup import Deployment, node_specs, Simulation
from lingbot_policy.nodes.supervisor import Supervisor

signal.signal(signal.SIGINT, signal.default_int_handler)
deployment = Deployment('agilex_cobot_magic', 'expert', simulation=Simulation('kinematic'))
supervisor = Supervisor(node_specs(deployment), {}, Path(sys.argv[1]))
try:
    print('{}', flush=True)
    supervisor.start()
    print(json.dumps(supervisor.pids), flush=True)
    while True:
        supervisor.poll()
        time.sleep(0.1)
except KeyboardInterrupt:
    pass
finally:
    supervisor.stop()
"""


@dataclass(frozen=True)
class Driven:
    """A supervisor in a process of its own."""

    process: subprocess.Popen

    def read_pids(self) -> dict[str, int]:
        """Return the process ids which it says next."""
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def driven(ros_env: dict[str, str], tmp_path: Path) -> Iterator[Driven]:
    process = subprocess.Popen(
        [sys.executable, '-c', DRIVER, str(tmp_path / 'run')],
        env=ros_env,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield Driven(process)
    process.kill()
    process.wait()
    process.stdout.close()


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_gone(pids: list[int], since: float, within_s: float = END_S) -> None:
    while left := [pid for pid in pids if not is_gone(pid)]:
        assert time.monotonic() - since < within_s, f'{left} still run {within_s} s later'
        time.sleep(0.02)


def assert_braked(probe) -> None:
    """The arms stood still with the last command, and the executor said that it disarmed."""
    probe.wait_event('disarmed', 'deactivated')

    def stood_still() -> bool:
        before, last = probe.commands[-2:]
        braked = last.gate_state in ('brake', 'hold')
        return braked and last.positions.tolist() == before.positions.tolist()

    probe.wait('arms that stand still', stood_still)


def test_ctrl_c_brakes_disarms_and_ends_every_process(driven, probe):
    driven.read_pids()
    pids = driven.read_pids()
    probe.arm()
    probe.wait_motion()

    driven.process.send_signal(signal.SIGINT)
    since = time.monotonic()
    wait_gone([driven.process.pid, *pids.values()], since)

    assert driven.process.wait(timeout=60) == 0
    assert_braked(probe)


def test_a_killed_supervisor_takes_every_process_with_it_after_braking(driven, probe):
    driven.read_pids()
    pids = driven.read_pids()
    probe.arm()
    probe.wait_motion()

    driven.process.kill()
    wait_gone(list(pids.values()), time.monotonic())

    assert_braked(probe)


@pytest.mark.parametrize('after_s', [0.0, 0.05, 0.5])
def test_ctrl_c_while_the_nodes_start_leaves_no_process(driven, after_s):
    driven.read_pids()
    supervisor = psutil.Process(driven.process.pid)
    deadline = time.monotonic() + 90.0
    while not (children := supervisor.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(after_s)

    driven.process.send_signal(signal.SIGINT)

    driven.process.wait(timeout=START_S)
    assert [child for child in children if not is_gone(child.pid)] == []


def test_a_supervisor_killed_while_the_nodes_start_takes_them_with_it(driven):
    driven.read_pids()
    supervisor = psutil.Process(driven.process.pid)
    deadline = time.monotonic() + 90.0
    while not (children := supervisor.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    driven.process.kill()

    wait_gone([child.pid for child in children], time.monotonic(), START_S)


def test_many_signals_at_once_end_a_node_as_one_does(start):
    line = start(Deployment('agilex_cobot_magic'))
    pid = line.pids['policy_server']

    since = time.monotonic()
    for _ in range(300):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    wait_gone([pid], since)


def test_interrupted_nodes_end_without_a_crash(start, deployment):
    line = start(deployment('hold'))
    first = dict(line.pids)

    for pid in first.values():
        os.kill(pid, signal.SIGINT)

    for name in first:
        line.wait_incidents('died', name)
    died = {i.executable: i.detail for i in reversed(line.incidents) if i.kind == 'died'}
    assert [detail.partition(':')[0] for detail in died.values()] == ['exit code 0'] * 3


def test_the_end_of_the_simulation_ends_the_deployment(start, deployment):
    line = start(deployment('hold'))

    line.kill('sim_robot')

    incidents = line.wait_incidents('ended')
    assert [(i.executable, i.kind) for i in incidents] == [
        ('sim_robot', 'died'),
        ('sim_robot', 'ended'),
    ]
    assert 'exit code -9' in incidents[-1].detail


def test_a_node_that_keeps_dying_is_given_up(start):
    line = start(Deployment('agilex_cobot_magic'))
    killed = None
    while not any(i.kind == 'ended' for i in line.incidents):
        pid = line.pids.get('policy_server')
        if pid and pid != killed:
            line.kill('policy_server')
            killed = pid
        time.sleep(0.02)

    assert 2 <= sum(i.kind == 'died' for i in line.incidents) <= 10


def test_a_frozen_node_is_killed_and_started_again(start, probe, deployment):
    line = start(deployment('hold'))

    os.kill(line.pids['policy_server'], signal.SIGSTOP)

    line.wait_incidents('restarted')
    assert [i.kind for i in line.incidents] == ['frozen', 'died', 'restarted']
    probe.wait_chunks(3)


def test_a_node_that_can_no_longer_be_configured_ends_the_deployment(start, tmp_path):
    robot = tmp_path / 'mine.yaml'
    robot.write_text(load_robot('agilex_cobot_magic').text)
    line = start(Deployment(str(robot)))
    robot.unlink()

    line.kill('policy_server')

    incidents = line.wait_incidents('ended')
    assert [i.kind for i in incidents] == ['died', 'restarted', 'died', 'ended']
    assert str(robot) in incidents[-1].detail


@pytest.fixture
def foreign_type(tmp_path: Path) -> str:
    """A robot file whose commands have a type which is installed nowhere."""
    text = load_robot('agilex_cobot_magic').text
    robot = tmp_path / 'strange.yaml'
    robot.write_text(
        text.replace('sensor_msgs/msg/JointState', 'strange_msgs/msg/Pose').replace(
            'name: agilex_cobot_magic', 'name: strange'
        )
    )
    return str(robot)


@pytest.mark.parametrize(
    ('wanted', 'words'),
    [
        (Deployment('nobody'), ('chunk_executor', "unknown robot 'nobody'", 'Known')),
        (Deployment('agilex_cobot_magic', 'wish'), ('policy_server', "'wish'", 'hold, expert')),
        (
            Deployment('agilex_cobot_magic', 'lingbot', bundle='/nowhere'),
            ('policy_server', '/nowhere'),
        ),
        (
            Deployment('agilex_cobot_magic', executor={'speed': 3.0}),
            ('chunk_executor', 'speed', '1.0'),
        ),
        (Deployment('foreign_type'), ('chunk_executor', 'strange_msgs', 'not installed')),
    ],
    ids=['robot', 'policy', 'bundle', 'parameter', 'message_type'],
)
def test_a_node_that_cannot_start_says_why_and_nothing_is_left(
    wanted, words, ros_env, tmp_path, foreign_type
):
    if wanted.robot == 'foreign_type':
        wanted = replace(wanted, robot=foreign_type)
    supervisor = Supervisor(node_specs(wanted), ros_env, tmp_path / 'run')
    with pytest.raises(ValueError) as raised:
        supervisor.start()

    said = str(raised.value)
    assert all(word in said for word in words), said
    assert '\n' not in said
    assert 'Traceback' not in said
    assert supervisor.pids == {}
    assert psutil.Process().children() == []
