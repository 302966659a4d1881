# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Listens to every topic of a robot for a while and says what it found; it publishes nothing."""

from dataclasses import dataclass, field, replace
from functools import partial
import json
import os
import threading
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from std_msgs.msg import String

from lingbot_policy.bringup import environment
from lingbot_policy.commissioning.live_facts import LiveFacts, PolicyFacts, TopicFacts
from lingbot_policy.decode import image_from_msg, stamp_ns, StateDecoder
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.graph import endpoint_name
from lingbot_policy.nodes.graph_facts import body_facts, command_facts, older_nodes, publishers
from lingbot_policy.nodes.monitor import DISCOVERY_S
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.streams import cv_bridge_converter
from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import Camera, StateTopic

NAME = 'lingbot_doctor'
DECODE_EVERY_NS = 20_000_000
KEPT = 500
BEST_SHARE = 10.0  # percentile of the offsets: load adds to the others


@dataclass
class _Heard:
    """What one subscription has heard so far."""

    arrivals: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    values: list[np.ndarray] = field(default_factory=list)
    decoded_ns: int = 0
    last: Any = None
    problem: str = ''
    qos: str = ''


class Probe:
    """
    A context manager around a node of its own.

    It subscribes with the QoS which the robot file says that a topic has.

    :param namespace: of our own nodes, with a slash before it and none behind.
    """

    def __init__(self, robot: Robot, namespace: str = '') -> None:
        self._robot = robot
        self._namespace = namespace
        self._said = {'policy_contract': '', 'sim_report': '{}'}
        self._states = {key: _Heard() for key in robot.file.state_topics}
        self._cameras = {name: _Heard() for name in robot.cameras}
        self._decoders = {key: StateDecoder(robot, key) for key in robot.file.state_topics}
        self._converter = cv_bridge_converter()
        self._ended = threading.Event()

    def __enter__(self) -> 'Probe':
        for name, value in environment().items():
            os.environ.setdefault(name, value)
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            NAME, context=self._context, enable_rosout=False, start_parameter_services=False
        )
        self._began_s = time.monotonic()
        file = self._robot.file
        for key, topic in file.state_topics.items():
            self._subscribe(topic, self._states[key], partial(self._on_state, key))
        for name, camera in self._robot.cameras.items():
            self._subscribe(camera, self._cameras[name], partial(self._on_image, name))
        for name in self._said:
            topic, latched = f'{self._namespace}/{name}', qos('policy_contract')
            self._node.create_subscription(String, topic, partial(self._on_said, name), latched)
        self._executor = EventsExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._spinner = threading.Thread(target=self._spin, name='probe', daemon=True)
        self._spinner.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ended.set()
        self._spinner.join(timeout=2.0)
        self._executor.shutdown(timeout_sec=1.0)
        self._node.destroy_node()
        self._context.try_shutdown()

    def listen(self, seconds: float, discovery_s: float = DISCOVERY_S) -> None:
        """Listen until everything was heard for so long, or nothing more is to be expected."""
        deadline = self._began_s + discovery_s + seconds
        while (now_s := time.monotonic()) < deadline:
            streams = (*self._states.values(), *self._cameras.values())
            first = [heard.arrivals[0] * 1e-9 if heard.arrivals else now_s for heard in streams]
            if now_s - max(first) > seconds and now_s - self._began_s > discovery_s:
                return
            time.sleep(0.05)

    def facts(self) -> LiveFacts:
        """Return what was found."""
        node, robot, file = self._node, self._robot, self._robot.file
        return LiveFacts(
            domain=os.environ.get('ROS_DOMAIN_ID', '0'),
            states={k: self._state_facts(k) for k in file.state_topics},
            cameras={name: self._camera_facts(name) for name in robot.cameras},
            commands={
                key: command_facts(node, robot.topic(topic.topic))
                for key, topic in file.command_topics.items()
            },
            published=tuple(
                name for name, _ in node.get_topic_names_and_types() if node.count_publishers(name)
            ),
            older=older_nodes(node, robot),
            bodies={name: body_facts(node, robot, group) for name, group in file.body.items()},
            policy=PolicyFacts(
                publishers(node, f'{self._namespace}/policy_contract'),
                self._said['policy_contract'],
            ),
            simulation=json.loads(self._said['sim_report']),
        )

    def _subscribe(self, topic: StateTopic | Camera, heard: _Heard, callback: Any) -> None:
        try:
            kind = message_type(topic.type, self._robot.file.drivers)
        except ValueError as error:
            heard.problem = str(error)
            return

        def note_incompatible(status: Any) -> None:
            heard.qos = str(status.last_policy_kind).rpartition('.')[2].lower()

        self._node.create_subscription(
            kind,
            self._robot.topic(topic.topic),
            callback,
            _profile(topic),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=note_incompatible),
        )

    def _on_state(self, key: str, msg: Any) -> None:
        heard = self._states[key]
        now_ns = self._note(heard, msg, self._robot.file.state_topics[key].stamp == 'header')
        if now_ns - heard.decoded_ns < DECODE_EVERY_NS or len(heard.values) >= KEPT:
            return
        heard.decoded_ns = now_ns
        try:
            heard.values.append(self._decoders[key].decode(msg))
        except ValueError as error:
            heard.problem = heard.problem or str(error)

    def _on_image(self, name: str, msg: Any) -> None:
        self._note(self._cameras[name], msg, self._robot.cameras[name].stamp == 'header')

    def _on_said(self, name: str, msg: String) -> None:
        self._said[name] = msg.data

    def _note(self, heard: _Heard, msg: Any, is_stamped: bool) -> int:
        now_ns = time.monotonic_ns()
        if is_stamped and hasattr(msg, 'header'):
            heard.offsets.append(self._node.get_clock().now().nanoseconds - stamp_ns(msg))
        elif is_stamped:
            heard.problem = f'{type(msg).__name__} has no header; say stamp: arrival'
        heard.arrivals.append(now_ns)
        heard.last = msg
        return now_ns

    def _state_facts(self, key: str) -> TopicFacts:
        topic, heard = self._robot.file.state_topics[key], self._states[key]
        facts = self._common(topic, heard)
        if not heard.values:
            return facts
        return replace(
            facts,
            names=tuple(getattr(heard.last, 'name', ())),
            slots=self._decoders[key].slots,
            values=np.stack(heard.values),
        )

    def _camera_facts(self, name: str) -> TopicFacts:
        camera, heard = self._robot.cameras[name], self._cameras[name]
        facts = self._common(camera, heard)
        if heard.last is None:
            return facts
        encoding = getattr(heard.last, 'encoding', '') or getattr(heard.last, 'format', '')
        try:
            image = image_from_msg(heard.last, camera, name, self._converter)
        except ValueError as error:
            return replace(facts, problem=str(error), encoding=encoding)
        return replace(facts, encoding=encoding, size=(image.shape[1], image.shape[0]))

    def _common(self, topic: StateTopic | Camera, heard: _Heard) -> TopicFacts:
        endpoints = self._node.get_publishers_info_by_topic(self._robot.topic(topic.topic))
        arrivals, offsets = list(heard.arrivals), list(heard.offsets)
        span_s = (arrivals[-1] - arrivals[0]) * 1e-9 if len(arrivals) > 1 else 0.0
        since_s = (time.monotonic_ns() - arrivals[-1]) * 1e-9 if arrivals else 0.0
        return TopicFacts(
            types=tuple(endpoint.topic_type for endpoint in endpoints),
            publishers=tuple(endpoint_name(endpoint) for endpoint in endpoints),
            problem=heard.problem,
            qos='' if arrivals else heard.qos,
            received=len(arrivals),
            rate_hz=(len(arrivals) - 1) / span_s if span_s else None,
            silent_s=since_s,
            offset_s=float(np.percentile(offsets, BEST_SHARE)) * 1e-9 if offsets else None,
        )

    def _spin(self) -> None:
        try:
            while not self._ended.is_set():
                self._executor.spin_until_future_complete(Future(), timeout_sec=0.1)
        except ExternalShutdownException:
            return


def collect(robot: Robot, seconds: float, namespace: str = '') -> LiveFacts:
    """Return what a robot's topics say within ``seconds`` of listening to all of them."""
    with Probe(robot, namespace) as probe:
        probe.listen(seconds)
        return probe.facts()


def _profile(topic: StateTopic | Camera) -> QoSProfile:
    is_sensor = topic.qos == 'sensor'
    is_latched = topic.qos == 'latched'
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=10 if isinstance(topic, Camera) else KEPT,
        reliability=ReliabilityPolicy.BEST_EFFORT if is_sensor else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE,
    )
