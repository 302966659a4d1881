# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the graph tells of a robot without a message being heard."""

from rclpy.duration import Infinite
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, qos_check_compatible, QoSCompatibility, QoSProfile
from rclpy.topic_endpoint_info import TopicEndpointInfo

from lingbot_policy.commissioning.live_facts import BodyFacts, CommandFacts
from lingbot_policy.nodes.graph import endpoint_name, robot_topics
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import BodyGroup
from lingbot_policy.wire_schema import BodyTopic

HASHED = 1  # version of the hash of a type, which endpoints name from ROS 2 Iron on


def publishers(node: Node, topic: str) -> tuple[str, ...]:
    """Return the full names of the nodes which publish a topic."""
    return tuple(map(endpoint_name, node.get_publishers_info_by_topic(topic)))


def command_facts(node: Node, topic: str) -> CommandFacts:
    """Return who commands, who listens, and whether they would hear us."""
    commanding = publishers(node, topic)
    listeners = [
        endpoint
        for endpoint in node.get_subscriptions_info_by_topic(topic)
        if endpoint_name(endpoint) not in commanding  # who watches what it publishes: no robot
    ]
    reasons = [
        reason
        for endpoint in listeners
        for verdict, reason in [qos_check_compatible(_offered(), endpoint.qos_profile)]
        if verdict == QoSCompatibility.ERROR
    ]
    return CommandFacts(
        publishers=commanding,
        subscribers=tuple(map(endpoint_name, listeners)),
        types=tuple(endpoint.topic_type for endpoint in listeners),
        qos='; '.join(reasons),
    )


def body_facts(node: Node, robot: Robot, group: BodyGroup) -> BodyFacts:
    """Return who is on the topics of a body group."""

    def on(topic: BodyTopic | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if topic is None:
            return (), ()
        name = robot.topic(topic.topic)
        return publishers(node, name), tuple(each.topic_type for each in _endpoints(node, name))

    return BodyFacts(*on(group.state), *on(group.command))


def older_nodes(node: Node, robot: Robot) -> tuple[str, ...]:
    """Return the nodes on the robot's topics which name no hash of their types."""
    found = {
        endpoint_name(endpoint)
        for topic in robot_topics(robot)
        for endpoint in _endpoints(node, topic)
        if endpoint.topic_type_hash.version < HASHED
    }
    return tuple(sorted(found))


def _endpoints(node: Node, topic: str) -> list[TopicEndpointInfo]:
    return [
        *node.get_publishers_info_by_topic(topic),
        *node.get_subscriptions_info_by_topic(topic),
    ]


def _offered() -> QoSProfile:
    """Return the QoS of our commands, with what it leaves to the middleware spelt out."""
    offered = qos('command')
    offered.deadline = offered.liveliness_lease_duration = Infinite
    offered.liveliness = LivelinessPolicy.AUTOMATIC
    return offered
