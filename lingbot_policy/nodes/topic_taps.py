# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Raw subscriptions which follow the publishers of a list of topics.

A tap asks for what the publishers offer, so that nothing they send is refused, and queues two
seconds of messages, so that a busy recorder loses none.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import math
import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.topic_endpoint_info import TopicEndpointInfo

from lingbot_policy.bags.definitions import define
from lingbot_policy.bags.metadata import OfferedQos
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.robot import Robot

QUEUE_S = 2.0
FAULTS_HZ = 200.0  # as often as a driver may repeat them
OWN_TOPICS = {
    'action_chunk': 'lingbot_msgs/msg/ActionChunk',
    'executed_command': 'lingbot_msgs/msg/ExecutedCommand',
    'committed_plan': 'lingbot_msgs/msg/CommittedPlan',
    'inference_record': 'lingbot_msgs/msg/InferenceRecord',
    'safety_events': 'lingbot_msgs/msg/SafetyEvent',
    'trial_events': 'lingbot_msgs/msg/TrialEvent',
    'policy_contract': 'std_msgs/msg/String',
    'instruction': 'std_msgs/msg/String',
    'sim_report': 'std_msgs/msg/String',
    '/diagnostics': 'diagnostic_msgs/msg/DiagnosticArray',
}


@dataclass(frozen=True)
class TappedTopic:
    """A topic by its full name; ``rate_hz`` is the most that is expected of it."""

    name: str
    type: str
    type_hash: str
    rate_hz: float

    @property
    def depth(self) -> int:
        return max(100, math.ceil(QUEUE_S * self.rate_hz))


@dataclass(frozen=True)
class Tapped:
    """A message as it was taken; ``gid`` is '' where the topic has several publishers."""

    topic: TappedTopic
    cdr: bytes
    received_ns: int
    sent_ns: int
    sequence: int
    gid: str


def topics_to_record(node: Node, robot: Robot) -> tuple[TappedTopic, ...]:
    """
    Return the robot's topics and the stack's own, which are relative to the node's namespace.

    A body group's topic whose type is not installed is left out and said.

    :raises ValueError: one line for each other type that is not installed, with its topic.
    """
    topics, problems = [], []
    for name, (type_name, rate_hz) in _bound_topics(node, robot).items():
        try:
            message_type(type_name)
            topics.append(TappedTopic(name, type_name, define(type_name).type_hash, rate_hz))
        except ValueError as error:
            problems.append(f'topic {name}: {error}')
    if problems:
        raise ValueError('\n'.join(problems))
    known = {topic.name for topic in topics}
    for name, type_name in _body_topics(robot).items():
        try:
            message_type(type_name)
            type_hash = define(type_name).type_hash
        except ValueError as error:
            node.get_logger().warning(f'topic {name} is not recorded: {error}')
            continue
        if name not in known:
            topics.append(TappedTopic(name, type_name, type_hash, robot.file.servo_rate_hz))
    return tuple(topics)


def _bound_topics(node: Node, robot: Robot) -> dict[str, tuple[str, float]]:
    file = robot.file
    vendor = [(t.topic, t.type, t.rate_hz) for t in file.state_topics.values()]
    vendor += [
        (t.topic, t.type, file.command_rate_hz)
        for t in file.command_topics.values()
        if '/msg/' in t.type  # an action's goals are calls of a service, and on no topic
    ]
    vendor += [(t.topic, t.type, FAULTS_HZ) for t in file.fault_topics.values()]
    for camera in robot.cameras.values():
        names = [camera.topic, *camera.aliases, camera.right_topic]
        vendor += [(name, camera.type, camera.fps) for name in names if name is not None]
    topics = {robot.topic(name): (type_name, rate) for name, type_name, rate in vendor}
    for name, type_name in OWN_TOPICS.items():
        topics[node.resolve_topic_name(name)] = (type_name, file.command_rate_hz)
    return topics


def _body_topics(robot: Robot) -> dict[str, str]:
    return {
        robot.topic(bound.topic): bound.type
        for group in robot.file.body.values()
        for bound in (group.state, group.command)
        if bound is not None
    }


@dataclass
class _Tap:
    topic: TappedTopic
    subscription: Subscription
    asked: tuple
    publishers: int
    gid: str


class TopicTaps:
    """
    Subscribes each topic once it has a publisher, and hands every message to ``receive``.

    ``discovered(topic, offered QoS)`` is called before the first message of a topic.
    """

    def __init__(
        self,
        node: Node,
        topics: tuple[TappedTopic, ...],
        receive: Callable[[Tapped], None],
        discovered: Callable[[TappedTopic, tuple[OfferedQos, ...]], None],
    ) -> None:
        self.problems: dict[str, str] = {}
        self._node = node
        self._topics = topics
        self._receive = receive
        self._discovered = discovered
        self._taps: dict[str, _Tap] = {}

    @property
    def names(self) -> list[str]:
        return sorted(self._taps)

    def follow(self) -> None:
        """Look at the graph; call it often: what a new publisher sends before is not recorded."""
        for topic in self._topics:
            found = self._node.get_publishers_info_by_topic(topic.name)
            publishers = [entry for entry in found if self._fits(topic, entry)]
            if publishers:
                self._tap(topic, publishers)

    def wait_matched(self, timeout_s: float) -> bool:
        """Return whether every tap is connected to all its publishers within the time."""
        deadline = time.monotonic() + timeout_s
        while any(t.subscription.handle.get_publisher_count() < t.publishers for t in self._all()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def drain(self) -> None:
        """Take what waits in the queues. Only on the executor's thread: it takes there too."""
        for tap in self._all():
            handle = tap.subscription.handle
            with handle:
                while (taken := handle.take_message(tap.subscription.msg_type, True)) is not None:
                    self._on_message(tap.topic, *taken)

    def destroy(self) -> None:
        for tap in self._all():
            self._node.destroy_subscription(tap.subscription)
        self._taps = {}

    def _all(self) -> list[_Tap]:
        return list(self._taps.values())

    def _fits(self, topic: TappedTopic, publisher: TopicEndpointInfo) -> bool:
        """Say a publisher whose messages would be refused or misread, once."""
        owner = f'{publisher.node_namespace.rstrip("/")}/{publisher.node_name}'
        offered_hash = str(publisher.topic_type_hash)
        problem = ''
        if publisher.topic_type != topic.type:
            problem = f'publishes {publisher.topic_type}, expected {topic.type}: not recorded'
        elif offered_hash.startswith('RIHS01') and offered_hash != topic.type_hash:
            problem = f'has another definition of {topic.type}: install the same on both sides'
        if problem and self.problems.get(topic.name) != f'{owner} {problem}':
            self.problems[topic.name] = f'{owner} {problem}'
            self._node.get_logger().error(f'{topic.name}: {owner} {problem}')
        return publisher.topic_type == topic.type

    def _tap(self, topic: TappedTopic, publishers: list[TopicEndpointInfo]) -> None:
        gid = bytes(publishers[0].endpoint_gid).hex() if len(publishers) == 1 else ''
        profile = _asked(topic, [publisher.qos_profile for publisher in publishers])
        asked = (profile.reliability, profile.durability)
        tap = self._taps.get(topic.name)
        if tap is not None and tap.asked == asked:
            tap.publishers, tap.gid = len(publishers), gid
            return
        if tap is None:
            self._discovered(topic, tuple(_offered(p.qos_profile) for p in publishers))
        else:
            self._node.destroy_subscription(tap.subscription)
        subscription = self._node.create_subscription(
            message_type(topic.type),
            topic.name,
            partial(self._on_message, topic),
            profile,
            raw=True,
        )
        self._taps[topic.name] = _Tap(topic, subscription, asked, len(publishers), gid)

    def _on_message(self, topic: TappedTopic, cdr: bytes, info: dict) -> None:
        tap = self._taps.get(topic.name)
        self._receive(
            Tapped(
                topic,
                cdr,
                info['received_timestamp'],
                info['source_timestamp'],
                info['publication_sequence_number'],
                tap.gid if tap else '',
            )
        )


def _asked(topic: TappedTopic, offered: list[QoSProfile]) -> QoSProfile:
    """Return the strictest profile which all the publishers satisfy."""
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in offered)
    latched = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in offered)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=topic.depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _offered(profile: QoSProfile) -> OfferedQos:
    return OfferedQos(
        reliability=profile.reliability.name.lower(),
        durability=profile.durability.name.lower(),
        history=profile.history.name.lower(),
        depth=profile.depth,
        deadline_ns=profile.deadline.nanoseconds,
        lifespan_ns=profile.lifespan.nanoseconds,
        liveliness=profile.liveliness.name.lower(),
        liveliness_lease_duration_ns=profile.liveliness_lease_duration.nanoseconds,
    )
