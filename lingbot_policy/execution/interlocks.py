# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the world around the arms has to say before and while they move.

Pure objects fed by callbacks; times are ns of the monotonic clock unless they are stamps.
"""

from collections import deque

from lingbot_policy.robot import Robot

MAX_OFFSET_S = 0.02  # between a stamp and its arrival
_WINDOW = 50  # newest messages of a topic
_LEAST = 5


class StampOffsets:
    """
    Arrival minus stamp of the state topics whose stamps count.

    The smallest of the newest is the clocks' difference; all else is waiting on the way.
    """

    def __init__(self, robot: Robot) -> None:
        topics = robot.file.state_topics
        self._topics = {key: t.topic for key, t in topics.items() if t.stamp == 'header'}
        self._offsets_ns = {key: deque(maxlen=_WINDOW) for key in self._topics}

    def note(self, key: str, stamp_ns: int, arrival_ns: int) -> None:
        """Note a message's stamp and arrival, both on the ROS clock."""
        if key in self._offsets_ns:
            self._offsets_ns[key].append(arrival_ns - stamp_ns)

    def require_true(self) -> None:
        """
        Refuse stamps which cannot be those of the measurement.

        :raises ValueError: naming the topic, what was found and what to do.
        """
        for key, offsets_ns in self._offsets_ns.items():
            if len(offsets_ns) < _LEAST:
                continue  # a stale state is refused elsewhere
            offset_s = min(offsets_ns) * 1e-9
            if abs(offset_s) > MAX_OFFSET_S:
                raise ValueError(
                    f'{self._topics[key]}: stamps lie {offset_s:+.3f} s off their arrival, '
                    f'expected within {MAX_OFFSET_S:g} s; synchronise the clocks (chrony), or set '
                    f'stamp: arrival for state_topics.{key}'
                )


class Sign:
    """Something that has to be heard again and again, as a heartbeat."""

    def __init__(self, name: str, max_age_s: float) -> None:
        self._name = name
        self._max_age_ns = max_age_s * 1e9
        self._heard_ns: int | None = None

    def heard(self, now_ns: int) -> None:
        self._heard_ns = now_ns

    def missing(self, now_ns: int) -> str:
        """Return what is wrong, '' for nothing."""
        if self._heard_ns is None:
            return f'{self._name}: never heard'
        if now_ns - self._heard_ns > self._max_age_ns:
            return f'{self._name}: silent for {(now_ns - self._heard_ns) * 1e-9:.1f} s'
        return ''


class EmergencyStop:
    """A stop button which says all the time whether it is pressed; its silence is a press."""

    def __init__(self, max_age_s: float) -> None:
        self._sign = Sign('estop', max_age_s)
        self._is_pressed = False

    def heard(self, is_pressed: bool, now_ns: int) -> None:
        self._sign.heard(now_ns)
        self._is_pressed = is_pressed

    def problem(self, now_ns: int) -> str:
        """Return why the arms may not move, '' for nothing."""
        return 'estop: pressed' if self._is_pressed else self._sign.missing(now_ns)
