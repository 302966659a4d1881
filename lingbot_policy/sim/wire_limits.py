# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated robot finds wrong with the commands it is sent, judged by wire values."""

from typing import Any

import numpy as np

from lingbot_policy.robot import Robot
from lingbot_policy.wire import command_maps

EPSILON = 5e-7  # a float32 wire rounds 6.28 by as much as 2.4e-7
PAUSE_NS = 200_000_000  # after so long without a command, the next begins a new motion
LONGEST_WAY_NS = PAUSE_NS  # of a command whose sending is only known to lie before its arrival


class WireLimits:
    """Counts commands of one topic which cannot be read, leave the limits, or step too far."""

    def __init__(self, robot: Robot, key: str) -> None:
        self._maps = command_maps(robot, key)
        self._period_ns = 1e9 / robot.file.command_rate_hz
        self._fewest = robot.ticks_between(key)
        topic = robot.file.command_topics[key]
        self._where = topic.topic
        self._is_stamped = topic.stamp == 'header'
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
        self._sent_after_ns = 0.0  # the last command was sent no earlier
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
            way = np.abs(wire - self._last[1]) - self._slack
            steps = max(0.0, float((way / self._step).max()))
            self._counts['step'] += self._exceeds(steps, sent_ns)
        else:
            self._sent_after_ns = sent_ns - LONGEST_WAY_NS
        self._last = (sent_ns, wire)
        return self._slots, values

    def _exceeds(self, steps: float, sent_ns: int) -> bool:
        """
        Return whether there was no time for so many steps since the last command.

        With stamps: as many as there were periods; the transport may lose commands. Without, the
        motion since then takes its least time, and has to have ended before the arrival: what is
        late, lost or comes in a bunch is no offence, and a speed above the limit adds up to one.
        """
        if self._is_stamped:
            return steps > max(self._fewest, round((sent_ns - self._last[0]) / self._period_ns))
        least_ns = self._sent_after_ns + steps * self._period_ns
        exceeds = least_ns > sent_ns + self._fewest * self._period_ns
        self._sent_after_ns = sent_ns if exceeds else max(least_ns, sent_ns - LONGEST_WAY_NS)
        return exceeds

    def summary(self) -> dict[str, int]:
        """Return the counts so far; ``violations`` is their sum without ``messages``."""
        counts = dict(self._counts)
        counts['violations'] = counts['malformed'] + counts['position'] + counts['step']
        return counts


def _ends(robot: Robot) -> tuple[np.ndarray, np.ndarray]:
    return robot.lower, robot.upper
