# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The whole line as real processes, in a ROS domain of the test's own, and a probe beside it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
import json
import os
from pathlib import Path
import signal
import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')

from lingbot_msgs.msg import ActionChunk, ExecutedCommand, InferenceRecord, SafetyEvent
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.context import Context
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.bringup import Deployment, node_specs, NodeSpec, Simulation
from lingbot_policy.decode import stamp_ns
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.supervisor import Incident, Supervisor

PATIENCE_S = 90.0  # on a loaded machine; every wait ends at its condition
ROBOT = 'agilex_cobot_magic'


@dataclass(frozen=True)
class Command:
    """What the executor sent at ``stamp_ns`` of the ROS clock."""

    stamp_ns: int
    positions: np.ndarray
    source: str
    gate_state: str
    reason: str


class Probe:
    """Watches and operates the line; it touches none of the robot's own topics."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.events: list[SafetyEvent] = []
        self.records: list[InferenceRecord] = []
        self.chunks = 0
        self.sim: dict = {}
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('probe', context=self._context, enable_rosout=False)
        for kind, topic, purpose, callback in (
            (ActionChunk, 'action_chunk', 'action_chunk', self._on_chunk),
            (ExecutedCommand, 'executed_command', 'executed_command', self._on_command),
            (InferenceRecord, 'inference_record', 'inference_record', self.records.append),
            (SafetyEvent, 'safety_events', 'safety_events', self.events.append),
            (String, 'sim_report', 'instruction', self._on_sim),
        ):
            self.node.create_subscription(kind, topic, callback, qos(purpose))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name='probe', daemon=True)
        self._thread.start()

    def wait(self, what: str, condition: Callable[[], bool], timeout_s: float = PATIENCE_S):
        """Wait until ``condition()``, and return what it returned."""
        deadline = time.monotonic() + timeout_s
        while not (found := condition()):
            if time.monotonic() > deadline:
                said = [f'{e.state}: {e.reason}' for e in self.events]
                pytest.fail(f'not within {timeout_s:g} s: {what}; events: {said}')
            time.sleep(0.01)
        return found

    def wait_event(self, state: str, reason: str = '', after: int = 0) -> SafetyEvent:
        """Wait for an event, not counting the first ``after``."""

        def found() -> SafetyEvent | None:
            fits = (e for e in self.events[after:] if e.state == state and reason in e.reason)
            return next(fits, None)

        return self.wait(f'event {state}: {reason}', found)

    def wait_chunks(self, more: int) -> None:
        target = self.chunks + more
        self.wait(f'{more} more chunks', lambda: self.chunks >= target)

    def wait_motion(self, rad: float = 0.05) -> None:
        """Wait until the commands have moved a joint by ``rad`` since now."""
        first = len(self.commands)

        def has_moved() -> bool:
            recent = self.commands[first:]
            return bool(recent) and moved(recent) > rad

        self.wait(f'motion by {rad} rad', has_moved)

    def call(self, service: str) -> tuple[bool, str]:
        """Call a Trigger service; return its success and message."""
        client = self.node.create_client(Trigger, service)
        self.wait(f'service {service}', client.service_is_ready)
        asked_s, futures = 0.0, []

        def answer() -> Trigger.Response | None:
            nonlocal asked_s
            if time.monotonic() - asked_s > 2.0:  # a killed server looks ready for a while
                asked_s = time.monotonic()
                futures.append(client.call_async(Trigger.Request()))
            return next((future.result() for future in futures if future.done()), None)

        response = self.wait(f'an answer of {service}', answer)
        self.node.destroy_client(client)
        return response.success, response.message

    def arm(self) -> None:
        """Arm as soon as the executor has heard the contract and the joints."""
        last = []

        def is_armed() -> bool:
            last[:] = self.call('chunk_executor/arm')
            return last[0] or (time.sleep(0.1) or False)

        deadline_text = f'armed; last answer: {last}'
        self.wait(deadline_text, is_armed)

    def close(self) -> None:
        self._context.try_shutdown()
        self._thread.join(timeout=5.0)
        self._executor.shutdown(timeout_sec=1.0)
        self.node.destroy_node()

    def _spin(self) -> None:
        while True:
            try:
                self._executor.spin()
            except InvalidHandle:  # a test destroyed what was about to be waited for
                continue
            except (ExternalShutdownException, RCLError):  # the latter where it was about to wait
                pass
            return

    def _on_chunk(self, msg: ActionChunk) -> None:
        self.chunks += 1

    def _on_command(self, msg: ExecutedCommand) -> None:
        self.commands.append(
            Command(stamp_ns(msg), np.array(msg.positions), msg.source, msg.gate_state, msg.reason)
        )

    def _on_sim(self, msg: String) -> None:
        self.sim = json.loads(msg.data)


def moved(commands: list[Command]) -> float:
    """Return how far the joint that moved most has moved, in rad."""
    positions = np.stack([command.positions for command in commands])
    return float(np.ptp(positions, axis=0).max())


class Line:
    """
    A running deployment, looked after as `lingbot up` does it.

    While ``is_looked_after`` is false nobody starts again what has died.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.incidents: list[Incident] = []
        self.is_looked_after = True
        self._ends = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name='keeper', daemon=True)
        self._keeper.start()

    @property
    def pids(self) -> dict[str, int]:
        return self.supervisor.pids

    def kill(self, executable: str) -> None:
        """Kill a node with SIGKILL; the supervisor learns of it at its next poll."""
        os.kill(self.pids[executable], signal.SIGKILL)

    def wait_incidents(self, kind: str, executable: str = '') -> list[Incident]:
        """Wait until an incident of ``kind`` and return all that happened."""
        deadline = time.monotonic() + PATIENCE_S
        while not any(i.kind == kind and executable in i.executable for i in self.incidents):
            assert time.monotonic() < deadline, f'no incident {kind}: {self.incidents}'
            time.sleep(0.02)
        return self.incidents.copy()

    def stop(self) -> None:
        self._ends.set()
        self._keeper.join()
        self.supervisor.stop()

    def _keep(self) -> None:
        while not self._ends.wait(0.05):
            if self.is_looked_after:
                self.incidents += self.supervisor.poll()


@pytest.fixture
def deployment() -> Callable[..., Deployment]:
    """Return a maker of deployments on the kinematic robot; arguments are the executor's."""

    def make(policy: str = 'expert', **executor) -> Deployment:
        return Deployment(
            ROBOT, policy, simulation=Simulation(world='kinematic'), executor=executor
        )

    return make


@pytest.fixture
def specs_with() -> Callable[..., tuple[NodeSpec, ...]]:
    """Return a function which gives one executable of some specs other parameters."""

    def change(specs: tuple[NodeSpec, ...], executable: str, **parameters):
        return tuple(
            replace(spec, parameters={**spec.parameters, **parameters})
            for spec in specs
            if spec.executable == executable
        )

    return change


@pytest.fixture
def start(ros_env: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Line]]:
    """Start a deployment, or given specs; everything is brought down after the test."""
    started: list[Line] = []

    def run(what: Deployment | tuple[NodeSpec, ...]) -> Line:
        specs = node_specs(what) if isinstance(what, Deployment) else what
        supervisor = Supervisor(specs, ros_env, tmp_path / f'run_{len(started)}')
        supervisor.start()
        started.append(Line(supervisor))
        return started[-1]

    yield run
    for line in reversed(started):
        line.stop()
    for log in sorted(tmp_path.glob('run_*/*.log')):  # shown where the test has failed
        print(f'--- {log.name}\n{log.read_text(errors="replace")[-4000:]}')


@pytest.fixture
def probe(ros_env: dict[str, str]) -> Iterator[Probe]:
    """A probe in the domain of the test."""
    node = Probe()
    yield node
    node.close()
