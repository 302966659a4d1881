# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot's whole line as real processes over DDS, watched by a probe, for faults of processes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, ExitStack
from dataclasses import replace
import fcntl
import os
from pathlib import Path
import signal
import subprocess
import tempfile
import time
from unittest.mock import patch

import numpy as np
import psutil
import pytest

from lingbot_policy.bringup import Deployment, node_specs, NodeSpec, Simulation
from lingbot_policy.isolation import isolated_environment, private_domain
from lingbot_policy.nodes.supervisor import Incident, Supervisor
from tests.faults.row import Outcome, robot_of
from tests.faults.witness import Witness
from tests.line.conftest import Command, PATIENCE_S, Probe

MOVED_RAD = 0.03
STILL = 1e-9
SILENCE_S = 1.0
DISK_MB = 48
Change = Callable[[NodeSpec, Path], NodeSpec]
SIMULATION = Simulation(world='kinematic', width=160, height=120, fps=10.0)
# Wider than on a robot: what a busy machine does to itself is not the fault which is looked at.
# At this speed an arm which stands for as long as its state may be old is not far behind.
EXECUTOR = {'deadman_s': 2.0, 'max_state_age_s': 0.3, 'resume_window_s': 60.0, 'speed': 0.3}


def line_specs(robot: str, folder: Path, **executor) -> tuple[NodeSpec, ...]:
    """Return the nodes of a simulated robot; the recorder waits to be asked."""
    deployment = Deployment(
        robot,
        'expert',
        record=str(folder / 'disk' / 'bag'),
        simulation=SIMULATION,
        executor={**EXECUTOR, **executor},
    )
    on_demand = {'record_on_activate': False, 'keep_free_mb': 1}
    return tuple(
        replace(spec, parameters={**spec.parameters, **on_demand})
        if spec.executable == 'episode_recorder'
        else spec
        for spec in node_specs(deployment)
    )


class ProcessLine:
    """
    A running deployment. A row calls :meth:`fault`, then :meth:`see` for each reaction.

    :param supervisors: start its nodes, in this order.
    :param env: variables of its nodes, which are in a domain of their own.
    """

    def __init__(
        self, robot: str, supervisors: Sequence[Supervisor], env: Mapping[str, str], folder: Path
    ) -> None:
        self.robot = robot_of(robot)
        self.folder = folder
        self.env = dict(env)
        self.incidents: list[Incident] = []
        self.probe = Probe()
        self.fault_ns: int | None = None
        self.seen: list[tuple[int, str]] = []
        self.supervisors = supervisors
        self.is_looked_after = True  # else nobody starts anew what has died
        self._expected: set[str] = set()
        self._frozen: set[int] = set()
        self._violations = 0
        self._is_alone_on_wires = True  # else what is malformed there may be another's

    @property
    def pids(self) -> dict[str, int]:
        return {name: pid for each in self.supervisors for name, pid in each.pids.items()}

    def start(self) -> None:
        for supervisor in self.supervisors:
            supervisor.start()
        self._expected = set(self.pids)

    def expect_nodes(self, names: set[str]) -> None:
        """Wait for nodes which a process of its own starts."""
        self.wait(f'{names} run', lambda: set(self.pids) == names)
        self._expected = names

    def end(self) -> None:
        self.stop()
        self.probe.close()

    def stop(self) -> None:
        self.thaw()
        for supervisor in reversed(self.supervisors):
            supervisor.stop()

    def poll(self) -> None:
        for supervisor in self.supervisors:
            self.incidents += supervisor.poll()

    # What a row does.

    def begin(self) -> None:
        """Bring the arms into motion, whatever a row before has left."""
        self.thaw()
        self.is_looked_after = True
        self.poll()
        if set(self.pids) != self._expected:
            self.stop()
            self.start()
        self._call_until('chunk_executor/clear_stop')
        self._call_until('chunk_executor/disarm')
        self._call_until('sim_robot/reset')
        self._call_until('policy_server/reset')
        self.arm()
        self.wait_motion()
        self.incidents.clear()
        self.fault_ns, self.seen = None, []
        self._is_alone_on_wires = True
        self._violations = self.violations()

    def arm(self) -> None:
        self._call_until('chunk_executor/arm')

    def fault(self) -> None:
        """The fault comes now."""
        self.fault_ns, self.seen = time.time_ns(), []

    def kill(self, executable: str) -> None:
        os.kill(self.pids[executable], signal.SIGKILL)

    @contextmanager
    def frozen(self, executable: str) -> Iterator[None]:
        """Stop a process with SIGSTOP, and let it go on afterwards."""
        pid = self.pids[executable]
        self._frozen.add(pid)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            self.thaw()

    def thaw(self) -> None:
        """Let every stopped process go on."""
        for pid in self._frozen:
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)
        self._frozen.clear()

    def see(self, reaction: str, reason: str = '') -> None:
        """
        Wait for a reaction after those seen before.

        :param reaction: hold, stop, resume, goes on, disarm, silent, or refuse to arm.
        """
        after_ns = self.seen[-1][0] if self.seen else self.fault_ns
        finders = {
            'hold': lambda: self._command(('hold',), reason, after_ns),
            'stop': lambda: self._command(('stop',), reason, after_ns),
            'resume': lambda: self._command(('command', 'clamp'), reason, after_ns),
            'goes on': lambda: self._has_moved(after_ns),
            'disarm': lambda: self._disarmed(reason, after_ns),
            'silent': self._is_silent,
            'refuse to arm': lambda: self._refused(reason),
        }
        at_ns = self.wait(f'{reaction} ({reason})', finders[reaction])
        self.seen.append((at_ns, reaction))

    def wait(self, what: str, condition: Callable, timeout_s: float = PATIENCE_S):
        """Wait for a condition while the supervisor looks after its processes."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                last = self.probe.commands[-1:]
                state = [(c.gate_state, c.reason) for c in last]
                said = [f'{e.state}: {e.reason}' for e in self.probe.events[-5:]]
                pytest.fail(f'not within {timeout_s:g} s: {what}; last {state}, events {said}')
            if self.is_looked_after:
                self.poll()
            time.sleep(0.02)
        return found

    def wait_motion(self) -> None:
        since_ns = time.time_ns()
        self.wait('motion', lambda: self._has_moved(since_ns))

    def has_died(self, executable: str) -> bool:
        """Whether the supervisor has told that a node died."""
        return any(i.executable == executable and i.kind == 'died' for i in self.incidents)

    def has_ended(self, executable: str) -> bool:
        """Whether the supervisor has told that the deployment ends with a node."""
        return any(i.executable == executable and i.kind == 'ended' for i in self.incidents)

    def recording_ended(self, after: int) -> bool:
        """Whether the recorder has told, after so many events, that it gave up."""
        events = self.probe.events[after:]
        return any('recording ended' in event.reason for event in events)

    def violations(self) -> int:
        return self.probe.sim.get('violations', 0)

    def excuse_malformed(self) -> None:
        """From the beginning on, what nobody can read on a command topic is a stranger's."""
        self._is_alone_on_wires = False
        self._violations -= self._malformed()

    def _malformed(self) -> int:
        return sum(topic['malformed'] for topic in self.probe.sim.get('commands', {}).values())

    def call(self, service: str) -> tuple[bool, str]:
        return self.probe.call(service)

    def outcome(self, problems: tuple[str, ...] = ()) -> Outcome:
        """Return what was seen since the fault."""
        commands = self._since(self.fault_ns)
        path = np.array([c.positions for c in commands]).reshape(-1, self.robot.dof)
        moving = np.abs(np.diff(path, axis=0)).max(axis=1, initial=0.0) > STILL
        until = len(path) if self.seen[0][1] in ('goes on', 'resume') else _rest(commands, moving)
        way = np.abs(path[:until] - path[:1]).max(initial=0.0)
        wires = self.violations() - self._violations
        if not self._is_alone_on_wires:
            wires -= self._malformed()
        outside = {**self._judge(commands), **({'wire': wires} if wires else {})}
        return Outcome(
            ', '.join(reaction for _, reaction in self.seen),
            (self.seen[0][0] - self.fault_ns) * 1e-6,
            int(moving[:until].sum()),
            float(way),
            outside,
            problems,
        )

    def _judge(self, commands: list[Command]) -> dict[str, int]:
        witness = Witness(self.robot, may_miss=True)
        for command in commands:
            witness.see(command.positions, {}, command.stamp_ns)
        return witness.outside

    def _since(self, since_ns: int) -> list[Command]:
        commands = list(self.probe.commands)
        first = next((i for i, c in enumerate(commands) if c.stamp_ns > since_ns), len(commands))
        return commands[max(0, first - 1) :]

    def _command(self, states: tuple[str, ...], reason: str, after_ns: int) -> int:
        for command in list(self.probe.commands):
            fits = command.stamp_ns > after_ns and reason in command.reason
            if fits and command.gate_state in states:
                return command.stamp_ns
        return 0

    def _has_moved(self, since_ns: int) -> int:
        path = [c.positions for c in list(self.probe.commands) if c.stamp_ns > since_ns]
        return time.time_ns() if path and np.ptp(path, axis=0).max() > MOVED_RAD else 0

    def _disarmed(self, reason: str, after_ns: int) -> int:
        for event in list(self.probe.events):
            stamp_ns = event.header.stamp.sec * 10**9 + event.header.stamp.nanosec
            if stamp_ns > after_ns and event.state == 'disarmed' and reason in event.reason:
                return stamp_ns
        return 0

    def _is_silent(self) -> int:
        last_ns = self.probe.commands[-1].stamp_ns
        return max(last_ns, self.fault_ns) if time.time_ns() - last_ns > SILENCE_S * 1e9 else 0

    def _refused(self, reason: str) -> int:
        armed, message = self.call('chunk_executor/arm')
        return time.time_ns() if not armed and reason in message else 0

    def _call_until(self, service: str) -> None:
        last: list = []

        def succeeds() -> bool:
            last[:] = self.call(service)
            return last[0] or (time.sleep(0.2) or False)

        try:
            self.wait(service, succeeds)
        except pytest.fail.Exception as error:
            raise AssertionError(f'{service}: {last}') from error


@contextmanager
def private_graph() -> Iterator[tuple[dict[str, str], Path]]:
    """Give a ROS domain of one's own, its variables and a folder; they are set in this process."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='lingbot_faults_')))
        env = isolated_environment(stack.enter_context(private_domain()), folder / 'ros_log')
        stack.enter_context(patch.dict(os.environ, env))
        stack.callback(sweep_shared_memory, int(env['ROS_DOMAIN_ID']), time.time())
        yield env, folder


def sweep_shared_memory(domain: int, since_s: float) -> None:
    """Remove what killed processes of a domain have left: files whose lock nobody holds."""
    ports = range(7400 + 250 * domain, 7400 + 250 * (domain + 1))
    ours = {f'fastrtps_port{port}_el' for port in ports}
    for lock in Path('/dev/shm').glob('fastrtps_*_el'):
        is_segment = '_port' not in lock.name
        try:
            changed_s = lock.stat().st_mtime
            # A process which has just made its segment may not have locked it yet.
            is_left = is_segment and since_s < changed_s < time.time() - 5.0
            if not (is_left or lock.name in ours):
                continue
            with lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                name = lock.name.removesuffix('_el')
                for left in (name, f'{name}_el', f'sem.{name}_mutex'):
                    (lock.parent / left).unlink(missing_ok=True)
        except OSError:  # in use, or gone meanwhile
            continue


@contextmanager
def running_line(robot: str, change: Change = lambda spec, folder: spec) -> Iterator[ProcessLine]:
    """
    Run a robot's line in a domain of its own; nothing of it is left behind.

    :param change: returns the NodeSpec to run in place of one.
    """
    with private_graph() as (env, folder), small_disk(folder / 'disk'):
        specs = tuple(change(spec, folder) for spec in line_specs(robot, folder))
        line = ProcessLine(robot, [Supervisor(specs, env, folder / 'log')], env, folder)
        with closing_line(line):
            line.start()
            yield line


@contextmanager
def closing_line(line: ProcessLine) -> Iterator[None]:
    try:
        yield
    finally:
        line.end()


@contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """Mount a small tmpfs at a new folder; give why not, '' where it is mounted."""
    folder.mkdir()
    mount = ['mount', '-t', 'tmpfs', '-o', f'size={DISK_MB}m', 'lingbot_faults', str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        why = done.stderr.strip() if done.returncode else ''
    except FileNotFoundError as error:
        why = str(error)
    try:
        yield why
    finally:
        if not why:
            subprocess.run(['umount', '-l', str(folder)], check=True)


def _rest(commands: list[Command], moving: np.ndarray) -> int:
    """Return how many commands there are until the first that holds at rest."""
    for index, command in enumerate(commands[1:], start=1):
        if command.gate_state in ('hold', 'stop') and not moving[index - 1]:
            return index
    return len(commands)
