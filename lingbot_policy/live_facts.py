# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What was found on a live ROS graph, as plain values: the probe fills them, the checks read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

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
class LiveFacts:
    """The graph of one robot; keys are those of its file. ``topics`` are all that exist."""

    domain: str
    states: Mapping[str, TopicFacts]
    cameras: Mapping[str, TopicFacts]
    commands: Mapping[str, CommandFacts]
    topics: tuple[str, ...] = ()
