# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What was found on a live ROS graph, as plain values: the probe fills them, the checks read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TopicFacts:
    """
    One topic the robot publishes.

    ``problem``: why it could not be subscribed to or read. ``qos``: the policy in which no
    publisher offers what the robot file says. ``silent_s``: since its last message.
    ``offset_s``: arrival minus stamp, what remains of it at the best of times. ``names`` are
    those in the message; ``values`` (n, joints) are the decoded joints at the places ``slots``.
    ``encoding`` and ``size`` (width, height) are a camera's.
    """

    types: tuple[str, ...] = ()
    publishers: tuple[str, ...] = ()
    problem: str = ''
    qos: str = ''
    received: int = 0
    rate_hz: float | None = None
    silent_s: float = 0.0
    offset_s: float | None = None
    names: tuple[str, ...] = ()
    slots: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    values: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    encoding: str = ''
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class CommandFacts:
    """One topic the robot takes commands on; ``qos``: why a subscriber would hear none of ours."""

    publishers: tuple[str, ...] = ()
    subscribers: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    qos: str = ''


@dataclass(frozen=True)
class BodyFacts:
    """The topics of a body group; the types are of everybody on them."""

    state_publishers: tuple[str, ...] = ()
    state_types: tuple[str, ...] = ()
    command_publishers: tuple[str, ...] = ()
    command_types: tuple[str, ...] = ()


@dataclass(frozen=True)
class PolicyFacts:
    """Who publishes `policy_contract`, and the last one that was heard."""

    publishers: tuple[str, ...] = ()
    contract: str = ''


@dataclass(frozen=True)
class LiveFacts:
    """
    The graph of one robot; keys are those of its file.

    ``published`` are all topics which somebody publishes. ``older`` are the nodes on the robot's
    topics which name no hash of their types: those of ROS 2 Humble and before. ``simulation`` is
    what a simulated robot reports of itself, empty where there is none.
    """

    domain: str
    states: Mapping[str, TopicFacts]
    cameras: Mapping[str, TopicFacts]
    commands: Mapping[str, CommandFacts]
    published: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    bodies: Mapping[str, BodyFacts] = field(default_factory=dict)
    policy: PolicyFacts = PolicyFacts()
    simulation: Mapping[str, Any] = field(default_factory=dict)
