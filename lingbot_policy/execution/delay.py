# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How late commands are: from the capture of an observation to the first command it could cause.

Measured on every accepted chunk, never taken from what a policy says of its own latency: it
includes the wait for a frame, inference, both ways through the middleware, and the tick.
"""

from collections import deque

WINDOW = 20  # chunks; a warm-up five times slower is forgotten after so many
SHARE = 0.95
NS = 1_000_000_000


class DelayEstimate:
    """The 95th percentile over the last :data:`WINDOW` chunks. Stamps are ns of the ROS clock."""

    def __init__(self) -> None:
        self._delays_s: deque[float] = deque(maxlen=WINDOW)
        self._waiting_ns: int | None = None
        self.p95_s = 0.0

    @property
    def last_s(self) -> float:
        """The newest measurement, 0 before the first."""
        return self._delays_s[-1] if self._delays_s else 0.0

    def accepted(self, t_ref_ns: int) -> None:
        """Note that a chunk seen at ``t_ref_ns`` waits for its first command."""
        self._waiting_ns = t_ref_ns

    def commanded(self, ros_now_ns: int) -> None:
        """Measure at the first tick after a chunk was accepted; later ones change nothing."""
        if self._waiting_ns is None:
            return
        self._delays_s.append(max(0.0, (ros_now_ns - self._waiting_ns) / NS))
        self._waiting_ns = None
        self.p95_s = _percentile(sorted(self._delays_s), SHARE)

    def dropped(self) -> None:
        """Note that the chunk which waits will cause no command."""
        self._waiting_ns = None


def _percentile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])
