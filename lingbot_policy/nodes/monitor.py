# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Watches a deployment from outside: live figures, and the calls an operator makes.

It subscribes to what the nodes say about themselves, never to cameras or joints: watching costs
the deployment next to nothing.
"""

from collections import deque
import contextlib
from dataclasses import dataclass, field
import json
import queue
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from lingbot_msgs.msg import InferenceRecord, SafetyEvent
import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String
from std_srvs.srv import Trigger

from lingbot_policy.decode import stamp_ns
from lingbot_policy.nodes.graph import foreign_endpoints
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import Robot

NAME = 'lingbot_monitor'
STAGES = ('wait', 'preprocess', 'infer', 'postprocess', 'publish', 'capture_to_publish')
ASK_AGAIN_S = 1.0
DISCOVERY_S = 3.3  # Fast DDS announces a participant every 3 s; the first ones can be missed


@dataclass(frozen=True)
class Live:
    """
    How the deployment is doing; None and empty where nothing was heard yet.

    ``latency_s`` holds the last inference by stage, ``events`` (unix time, state, reason).
    """

    camera_hz: dict[str, float] = field(default_factory=dict)
    chunks: int = 0
    chunk_hz: float | None = None
    chunk_age_s: float | None = None
    latency_s: dict[str, float] = field(default_factory=dict)
    command_hz: float | None = None
    missed_ticks: int = 0
    gate: str = ''
    policy: str = ''
    events: tuple[tuple[float, str, str], ...] = ()
    simulation: dict[str, Any] = field(default_factory=dict)


class Monitor:
    """
    A node in a context of its own, beside which the process may do what it likes.

    Its environment (domain, discovery range) is that of the process at the time it is made.
    """

    def __init__(self, namespace: str = '') -> None:
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            NAME,
            namespace=namespace,
            context=self._context,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._lock = threading.Lock()
        self._rates: dict[str, _Rate] = {}
        self._chunk_stamps: deque[int] = deque(maxlen=30)
        self._events: deque[tuple[float, str, str]] = deque(maxlen=200)
        self._latest: dict[str, Any] = {'latency_s': {}, 'simulation': {}}
        self._contract = threading.Event()
        self._simulation = threading.Event()
        for kind, topic, purpose, callback in (
            (DiagnosticArray, '/diagnostics', 'diagnostics', self._on_diagnostics),
            (InferenceRecord, 'inference_record', 'inference_record', self._on_record),
            (SafetyEvent, 'safety_events', 'safety_events', self._on_event),
            (String, 'policy_contract', 'policy_contract', self._on_contract),
            (String, 'sim_report', 'instruction', self._on_simulation),
        ):
            self._node.create_subscription(kind, topic, callback, qos(purpose))
        self._stop = self._node.create_publisher(String, 'stop', qos('stop'))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._spinner = threading.Thread(target=self._spin, name='monitor', daemon=True)
        self._spinner.start()

    def live(self) -> Live:
        """Return the figures of now."""
        with self._lock:
            latest, stamps = dict(self._latest), tuple(self._chunk_stamps)
            rates = {name: rate.hz for name, rate in self._rates.items()}
            events = tuple(self._events)
        now_ns = self._node.get_clock().now().nanoseconds
        span_s = (stamps[-1] - stamps[0]) * 1e-9 if len(stamps) > 1 else 0.0
        cameras = {
            name.removeprefix('received '): hz
            for name, hz in rates.items()
            if name.startswith('received ') and hz is not None
        }
        return Live(
            camera_hz=cameras,
            chunks=latest.get('chunks', 0),
            chunk_hz=(len(stamps) - 1) / span_s if span_s else None,
            chunk_age_s=(now_ns - stamps[-1]) * 1e-9 if stamps else None,
            latency_s=latest['latency_s'],
            command_hz=rates.get('ticks commanded'),
            missed_ticks=latest.get('missed_ticks', 0),
            gate=latest.get('gate', ''),
            policy=latest.get('policy', ''),
            events=events,
            simulation=latest['simulation'],
        )

    def foreign_endpoints(self, robot: Robot, own: tuple[str, ...] = ()) -> list[str]:
        """
        Return "topic: node" for each endpoint on a topic of the robot which is not ours.

        :param own: full names of the nodes of the deployment.
        """
        return foreign_endpoints(self._node, robot, own)

    def wait_contract(self, timeout_s: float) -> bool:
        """Return whether a policy contract was published."""
        return self._contract.wait(timeout_s)

    def wait_simulation(self, timeout_s: float) -> bool:
        """Return whether the simulated world runs."""
        return self._simulation.wait(timeout_s)

    def call(self, service: str, timeout_s: float = 5.0, once: bool = False) -> str:
        """
        Call a Trigger service, as ``chunk_executor/arm``, and return its message.

        It asks again every second: after a restart the service may look ready because of the
        dead one. ``once`` is for what must not be done twice.

        :raises ValueError: if it is not there, does not answer in time, or refuses.
        """
        client = self._node.create_client(Trigger, service)
        try:
            deadline = time.monotonic() + timeout_s
            while not client.service_is_ready():
                if time.monotonic() > deadline:
                    raise ValueError(
                        f'service {client.srv_name}: not there after {timeout_s:g} s; '
                        'is the deployment running?'
                    )
                time.sleep(0.02)
            answers: queue.SimpleQueue[Trigger.Response] = queue.SimpleQueue()
            deadline = time.monotonic() + timeout_s
            response = None
            while response is None and (left_s := deadline - time.monotonic()) > 0:
                future = client.call_async(Trigger.Request())
                future.add_done_callback(lambda done: answers.put(done.result()))
                with contextlib.suppress(queue.Empty):
                    response = answers.get(timeout=left_s if once else min(left_s, ASK_AGAIN_S))
            if response is None:
                raise ValueError(f'service {client.srv_name}: no answer within {timeout_s:g} s')
        finally:
            self._node.destroy_client(client)
        if not response.success:
            raise ValueError(f'{service}: {response.message}')
        return response.message

    def stop(self, reason: str) -> None:
        """
        Have the executor brake and latch a stop, without waiting for an answer.

        The message stays: an executor which starts later is stopped by it too.
        """
        self._stop.publish(String(data=reason))

    def close(self) -> None:
        self._context.try_shutdown()
        self._spinner.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        at_s = stamp_ns(msg) * 1e-9
        for status in msg.status:
            values = {pair.key: pair.value for pair in status.values}
            with self._lock:
                if status.name == 'policy_server: inference':
                    self._latest['policy'] = status.message
                    self._latest['chunks'] = int(values.get('chunks', 0))
                    for name, value in values.items():
                        if name.startswith('received '):
                            self._rates.setdefault(name, _Rate()).note(at_s, float(value))
                elif status.name == 'chunk_executor: commands':
                    self._latest['gate'] = status.message
                    self._latest['missed_ticks'] = int(values.get('missed_ticks', 0))
                    sent = sum(float(v) for k, v in values.items() if k.startswith('ticks '))
                    self._rates.setdefault('ticks commanded', _Rate()).note(at_s, sent)

    def _on_record(self, msg: InferenceRecord) -> None:
        if msg.error:
            return
        with self._lock:
            self._chunk_stamps.append(stamp_ns(msg))
            self._latest['latency_s'] = {name: getattr(msg, f'{name}_s') for name in STAGES}

    def _on_event(self, msg: SafetyEvent) -> None:
        with self._lock:
            self._events.append((stamp_ns(msg) * 1e-9, msg.state, msg.reason))
            self._latest['gate'] = f'{msg.state}: {msg.reason}'

    def _on_contract(self, msg: String) -> None:
        self._contract.set()

    def _on_simulation(self, msg: String) -> None:
        with self._lock:
            self._latest['simulation'] = json.loads(msg.data)
        self._simulation.set()


class _Rate:
    """The rate of a counter over its last two readings."""

    def __init__(self) -> None:
        self._at_s: float | None = None
        self._count = 0.0
        self.hz: float | None = None

    def note(self, at_s: float, count: float) -> None:
        if self._at_s is not None and at_s > self._at_s:
            self.hz = max(0.0, (count - self._count) / (at_s - self._at_s))
        self._at_s, self._count = at_s, count
