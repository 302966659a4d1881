# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A robot's command topics, for one sender: it publishes, and notices whoever else does."""

from collections.abc import Callable
from functools import partial
import math
import time
from typing import Any

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rclpy.subscription import Subscription

from lingbot_policy.nodes.command_writer import CommandWriter
from lingbot_policy.nodes.encode import TopicEncoder
from lingbot_policy.nodes.graph import endpoint_name, other_than, UNNAMED
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import Robot

NAMING_S = 10.0  # on a busy machine
NAMING_PERIOD_S = 0.02
SPOKEN_S = 2.0  # who has spoken within it is not idle
# Asks for less than any publisher offers, so that it matches every one of them.
_SENTINEL = QoSProfile(
    history=HistoryPolicy.KEEP_LAST, depth=1, reliability=ReliabilityPolicy.BEST_EFFORT
)


class CommandTopics:
    """
    Publishes on every command topic of a robot and watches each by a sentinel subscription.

    The middleware tells the sentinel of each publisher it matches, ours among them: that one is
    known by its GID, the one that is new after its creation. A publisher which may be idle is
    tolerated until the sentinel hears a message that is not ours.

    :param on_other: called with a text and False at once when another publisher appears or
        speaks, and with True when the name of its node is known, which is a little later.
    """

    def __init__(
        self,
        node: Node,
        robot: Robot,
        encoders: dict[str, TopicEncoder],
        on_other: Callable[[str, bool], None],
    ) -> None:
        self._node = node
        self._on_other = on_other
        self._own: dict[str, bytes] = {}
        self._allowed: dict[str, tuple[str, ...]] = {}
        self._spoken_s: dict[str, float] = {}
        self._writers: list[CommandWriter] = []
        for key, encoder in encoders.items():
            entry = robot.file.command_topics[key]
            topic = robot.topic(entry.topic)
            publisher, self._own[topic] = self._publisher(encoder.type, topic)
            every, tick_s = robot.ticks_between(key), 1.0 / robot.file.command_rate_hz
            self._writers.append(CommandWriter(publisher, encoder, every, tick_s))
            self._allowed[topic] = entry.allowed_idle_publishers
        self._naming_until_s = 0.0
        self._naming = node.create_timer(NAMING_PERIOD_S, self._name_them)
        self._naming.cancel()
        self._timers = [self._naming]
        self._slow = [writer for writer in self._writers if writer.every > 1]
        if self._slow:
            self._longest_s = max(writer.period_s for writer in self._slow)
            self._timers.append(node.create_timer(self._longest_s, self._finish))
        self._sentinels = [self._sentinel(writer) for writer in self._writers]

    def publish(self, positions: np.ndarray, stamp: Time) -> None:
        """Send internal positions (dof,), on every topic as often as its ``max_rate_hz`` lets."""
        for writer in self._writers:
            writer.write(positions, stamp)

    def flush(self) -> None:
        """Send what slower topics have not been told yet, for when no command follows."""
        if self._slow:
            time.sleep(self._longest_s)
            self._finish()

    def others(self) -> list[str]:
        """Return "topic: node" for each publisher besides ours and those which are idle."""
        me = f'{self._node.get_namespace().rstrip("/")}/{self._node.get_name()}'
        found = []
        for topic, own in self._own.items():
            endpoints = self._node.get_publishers_info_by_topic(topic)
            names = [endpoint_name(each) for each in endpoints if _gid(each) != own]
            if self._is_spoken_on(topic):
                names = names or ['a node that has gone']
            else:
                names = [name for name in names if not is_allowed(name, self._allowed[topic])]
            found += [f'{topic}: {other_than(me, name)}' for name in names]
        return found

    def unheard(self) -> list[str]:
        """Return "topic: node (what it asks for)" for each subscriber our QoS does not meet."""
        return [
            f'{writer.publisher.topic_name}: {endpoint_name(endpoint)} (transient local)'
            for writer in self._writers
            for endpoint in self._node.get_subscriptions_info_by_topic(writer.publisher.topic_name)
            if endpoint.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        ]

    def destroy(self) -> None:
        self.flush()
        for timer in self._timers:
            self._node.destroy_timer(timer)
        for subscription in self._sentinels:
            self._node.destroy_subscription(subscription)
        for writer in self._writers:
            self._node.destroy_publisher(writer.publisher)

    def _publisher(self, kind: type, topic: str) -> tuple[Publisher, bytes]:
        """Return a publisher and its GID: again, if another one appeared at the same moment."""
        while True:
            before = self._gids(topic)
            publisher = self._node.create_publisher(kind, topic, qos('command'))
            new = self._gids(topic) - before
            if len(new) == 1:
                return publisher, new.pop()
            self._node.destroy_publisher(publisher)

    def _finish(self) -> None:
        stamp = self._node.get_clock().now().to_msg()
        for writer in self._slow:
            writer.finish(stamp)

    def _sentinel(self, writer: CommandWriter) -> Subscription:
        topic = writer.publisher.topic_name
        return self._node.create_subscription(
            writer.publisher.msg_type,
            topic,
            partial(self._on_message, writer),
            _SENTINEL,
            event_callbacks=SubscriptionEventCallbacks(matched=partial(self._on_matched, topic)),
            raw=True,
        )

    def _on_matched(self, topic: str, status: Any) -> None:
        if status.current_count_change > 0 and (others := self.others()):
            self._tell(topic, others)

    def _on_message(self, writer: CommandWriter, serialized: bytes) -> None:
        if writer.has_published(serialized):
            return
        topic = writer.publisher.topic_name
        is_news = not self._is_spoken_on(topic)
        self._spoken_s[topic] = time.monotonic()
        if is_news:
            self._tell(topic, self.others())

    def _is_spoken_on(self, topic: str) -> bool:
        """Whether somebody else has published there lately."""
        return time.monotonic() - self._spoken_s.get(topic, -math.inf) < SPOKEN_S

    def _name_them(self) -> None:
        others = self.others()
        unnamed = any(UNNAMED in line for line in others)
        if unnamed and time.monotonic() < self._naming_until_s:
            return
        self._naming.cancel()
        if others:
            self._on_other(_text(others), True)

    def _tell(self, topic: str, others: list[str]) -> None:
        if not any(UNNAMED in line for line in others):
            self._on_other(_text(others), True)
            return
        if not self._allowed[topic] or self._is_spoken_on(topic):
            self._on_other(f'another publisher is on {topic}: its name is not known yet', False)
        self._naming_until_s = time.monotonic() + NAMING_S
        self._naming.reset()

    def _gids(self, topic: str) -> set[bytes]:
        return {_gid(each) for each in self._node.get_publishers_info_by_topic(topic)}


def is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a node's full name is among ``allowed``, which may leave out its namespace."""
    return name in allowed or name.rpartition('/')[2] in allowed


def _text(others: list[str]) -> str:
    return f'others publish commands: {"; ".join(others)}'


def _gid(endpoint: Any) -> bytes:
    return bytes(endpoint.endpoint_gid)
