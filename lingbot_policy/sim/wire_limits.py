# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated robot finds wrong with the commands it is sent, judged by wire values."""

from typing import Any

import numpy as np

from lingbot_policy.robot import Robot
from lingbot_policy.wire import command_maps

EPSILON = 5e-7  # a float32 wire rounds 6.28 by as much as 2.4e-7
PAUSE_NS = 200_000_000  # after so long without a command, the next begins a new motion
# A command without a stamp is dated by its arrival. After a lost one, the next may have been sent
# by so much earlier than it seems.
ARRIVAL_SPREAD_NS = 20_000_000


class WireLimits:
    """Counts commands of one topic which cannot be read, leave the limits, or step too far."""

    def __init__(self, robot: Robot, key: str) -> None:
        self._maps = command_maps(robot, key)
        self._period_ns = 1e9 / robot.file.command_rate_hz
        self._fewest = robot.ticks_between(key)
        topic = robot.file.command_topics[key]
        self._where = topic.topic
        self._spread_ns = 0 if topic.stamp == 'header' else ARRIVAL_SPREAD_NS
        self._slots = np.concatenate([m.slots for m in self._maps])
        ends = [
            np.sort(
                [robot_end[m.slots] * m.scale + m.offset for robot_end in _ends(robot)], axis=0
            )
            for m in self._maps
        ]
        rounding = np.concatenate([np.full(len(m.slots), 0.5 * m.integer) for m in self._maps])
        scale = np.concatenate([np.full(len(m.slots), abs(m.scale)) for m in self._maps])
        self._low = np.concatenate([end[0] for end in ends]) - rounding - EPSILON
        self._high = np.concatenate([end[1] for end in ends]) + rounding + EPSILON
        self._step = robot.step_limit[self._slots] * scale * 1.001
        self._slack = 2 * rounding
        self._last: tuple[int, np.ndarray] | None = None
        self._counts = {'messages': 0, 'malformed': 0, 'position': 0, 'step': 0}

    def check(self, msg: Any, sent_ns: int) -> tuple[np.ndarray, np.ndarray] | None:
        """
        Return (slots, internal values) of a command, or None for one that cannot be read.

        :param sent_ns: the command's stamp, or where it has none, when it arrived.
        """
        self._counts['messages'] += 1
        try:
            wire = np.concatenate([m.read_wire(msg, self._where) for m in self._maps])
            values = np.concatenate([m.read(msg, self._where) for m in self._maps])
        except ValueError:
            self._counts['malformed'] += 1
            return None
        self._counts['position'] += bool(((wire < self._low) | (wire > self._high)).any())
        if self._last is not None and sent_ns - self._last[0] < PAUSE_NS:
            # As many steps as there were periods: the transport may lose a command.
            between_ns = sent_ns - self._last[0] + self._spread_ns
            steps = max(self._fewest, round(between_ns / self._period_ns))
            farthest = steps * self._step + self._slack
            self._counts['step'] += bool((np.abs(wire - self._last[1]) > farthest).any())
        self._last = (sent_ns, wire)
        return self._slots, values

    def summary(self) -> dict[str, int]:
        """Return the counts so far; ``violations`` is their sum without ``messages``."""
        counts = dict(self._counts)
        counts['violations'] = counts['malformed'] + counts['position'] + counts['step']
        return counts


def _ends(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    return robot.lower, robot.upper
