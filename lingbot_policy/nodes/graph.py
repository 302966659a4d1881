# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What else is on the graph: foreign publishers on command topics, foreign endpoints anywhere."""

from collections.abc import Iterable
import os
import time
from typing import Any

from rclpy.node import Node

from lingbot_policy.robot import Robot

NAMING_S = 3.0  # an endpoint is known a little before the name of its node
UNNAMED = '_NODE_NAME_UNKNOWN_'
LEASE_S = 5  # of a participant, in data/fastdds_shm.xml
DEPLOYMENT = ('sim_robot', 'episode_recorder', 'chunk_executor', 'policy_server')


def other_publishers(node: Node, topics: Iterable[str]) -> list[str]:
    """Return "topic: node" for each publisher on ``topics`` besides the one of ``node`` itself."""
    own = f'{node.get_namespace().rstrip("/")}/{node.get_name()}'
    others = []
    for topic in topics:
        names = [endpoint_name(endpoint) for endpoint in node.get_publishers_info_by_topic(topic)]
        if own in names:
            names.remove(own)
        others += [f'{topic}: {other_than(own, name)}' for name in names]
    return others


def endpoint_name(endpoint: Any) -> str:
    """Return the full name of an endpoint's node."""
    return f'{endpoint.node_namespace.rstrip("/")}/{endpoint.node_name}'


def other_than(own: str, name: str) -> str:
    """Return another node's name so that it is not mistaken for ``own``, where they are equal."""
    if name != own:
        return name
    return f'another {name} (one that was killed is forgotten after {LEASE_S} s)'


def robot_topics(robot: Robot) -> list[str]:
    """Return every vendor topic the robot file binds, in the vendor's namespace."""
    file = robot.file
    bound = [*file.state_topics.values(), *file.command_topics.values(), *robot.cameras.values()]
    return [robot.topic(entry.topic) for entry in bound]


def foreign_endpoints(node: Node, robot: Robot, own: Iterable[str] = ()) -> list[str]:
    """
    Return "topic: node" for every endpoint on a topic of the robot that is not ours.

    :param own: full names of the nodes which belong to this deployment.
    """
    ours = {*own, f'{node.get_namespace().rstrip("/")}/{node.get_name()}'}
    deadline = time.monotonic() + NAMING_S
    while True:
        found = {
            f'{topic}: {endpoint_name(endpoint)}'
            for topic in robot_topics(robot)
            for endpoint in (
                *node.get_publishers_info_by_topic(topic),
                *node.get_subscriptions_info_by_topic(topic),
            )
            if endpoint_name(endpoint) not in ours
        }
        if time.monotonic() > deadline or not any(UNNAMED in name for name in found):
            return sorted(found)
        time.sleep(0.05)


def require_simulated(node: Node, robot: Robot) -> None:
    """
    Make sure that whoever takes this robot's commands is the simulation beside us.

    :raises ValueError: if other machines can be reached, or another endpoint is on its topics.
    """
    reach = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', 'SUBNET')
    if reach not in ('LOCALHOST', 'OFF'):
        raise ValueError(
            f'simulation: ROS_AUTOMATIC_DISCOVERY_RANGE is {reach}, expected LOCALHOST: '
            'a simulated deployment may reach no other machine. Start it by `lingbot demo`.'
        )
    namespace = node.get_namespace().rstrip('/')
    own = [f'{namespace}/{name}' for name in DEPLOYMENT]
    foreign = foreign_endpoints(node, robot, own)
    if foreign:
        raise ValueError(
            f'simulation: foreign endpoints on topics of {robot.name}: {"; ".join(foreign)}. '
            'End them, or take another ROS_DOMAIN_ID.'
        )
