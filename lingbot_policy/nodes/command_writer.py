# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""One command topic: at the rate that its listener takes, and what there is not from us."""

from collections import deque
import threading
import time

from builtin_interfaces.msg import Time
import numpy as np
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message

from lingbot_policy.nodes.encode import TopicEncoder

REMEMBERED = 500  # messages, 2 s at least: a reader which keeps one message is never so late


class CommandWriter:
    """
    Publishes every ``every``-th command, and after the last one that one too.

    The thread which commands calls :meth:`write`, the node's executor :meth:`finish`.

    :param tick_s: time between two commands.
    """

    def __init__(
        self, publisher: Publisher, encoder: TopicEncoder, every: int, tick_s: float
    ) -> None:
        self.publisher = publisher
        self.every = every
        self.period_s = every * tick_s
        self._encoder = encoder
        self._lock = threading.Lock()
        self._skipped = every - 1  # the first command goes out at once
        self._held_back: np.ndarray | None = None
        self._asked_s = 0.0
        self._published: deque[bytes] = deque(maxlen=REMEMBERED)

    def write(self, positions: np.ndarray, stamp: Time) -> None:
        """Take the next command, internal positions (dof,)."""
        with self._lock:
            self._asked_s = time.monotonic()
            if self._skipped + 1 == self.every:
                self._publish(positions, stamp)
            else:
                self._skipped += 1
                self._held_back = positions.copy()

    def finish(self, stamp: Time) -> None:
        """Publish the last command where it was held back and none has followed it since."""
        with self._lock:
            is_over = time.monotonic() - self._asked_s > self.period_s
            if self._held_back is not None and is_over:
                self._publish(self._held_back, stamp)

    def has_published(self, serialized: bytes) -> bool:
        """
        Whether a message was ours.

        The content tells: a reader learns no numbers of messages from EventsExecutor, and who
        counts them cannot tell a stranger's message from one of ours that was lost.
        """
        content = _content(serialized)
        return any(content == each for each in reversed(self._published.copy()))

    def _publish(self, positions: np.ndarray, stamp: Time) -> None:
        self._skipped, self._held_back = 0, None
        message = serialize_message(self._encoder.encode(positions, stamp))
        self._published.append(_content(message))  # first: it may be heard before this returns
        self.publisher.publish(message)


def _content(serialized: bytes) -> bytes:
    """Return a message without what a middleware may change: its header, padding at its end."""
    return bytes(serialized[4:]).rstrip(b'\0')
