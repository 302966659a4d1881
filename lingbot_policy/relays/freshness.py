# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Order and age of what the robot sends: stamps that only grow, clocks that agree."""

from collections import Counter, deque

NS = 1_000_000_000


class StampOrder:
    """
    Lets through what is newer than all before. ``counts``: duplicates, late, missing.

    ``missing`` is estimated from stamps, for the vendors' frames carry no sequence number.
    """

    def __init__(self, period_ns: int, forget_ns: int) -> None:
        self._period_ns = period_ns
        self._forget_ns = forget_ns
        self._stamp_ns: int | None = None
        self._accepted_ns = 0
        self.counts: Counter[str] = Counter()

    def accept(self, stamp_ns: int, now_ns: int) -> bool:
        """
        Return whether a message stamped ``stamp_ns`` is news at monotonic ``now_ns``.

        After ``forget_ns`` without news any stamp is: the robot may have restarted or set its
        clock back.
        """
        newest = self._stamp_ns
        if newest is not None and now_ns - self._accepted_ns <= self._forget_ns:
            if stamp_ns == newest:
                self.counts['duplicates'] += 1
                return False
            if stamp_ns < newest:
                self.counts['late'] += 1
                return False
            self.counts['missing'] += max(0, round((stamp_ns - newest) / self._period_ns) - 1)
        self.counts['accepted'] += 1
        self._stamp_ns, self._accepted_ns = stamp_ns, now_ns
        return True


class ClockOffset:
    """
    The robot's clock minus ours in ns, from the last ``window`` measurements.

    A measurement is worth as much as its uncertainty is small, so the least uncertain one counts.
    """

    def __init__(self, window: int = 20) -> None:
        self._measured: deque[tuple[int, int]] = deque(maxlen=window)  # uncertainty, offset

    def add_round_trip(self, sent_ns: int, remote_ns: int, received_ns: int) -> None:
        """Add a question at ``sent_ns`` and its answer with the robot's time; our clock else."""
        if received_ns >= sent_ns:  # else our own clock was set back meanwhile
            half_ns = (received_ns - sent_ns) // 2
            self._measured.append((half_ns, remote_ns - sent_ns - half_ns))

    def add_one_way(self, stamp_ns: int, arrival_ns: int) -> None:
        """Add a stamp and its arrival. The way counts as offset: an upper bound, told as one."""
        offset_ns = stamp_ns - arrival_ns
        self._measured.append((abs(offset_ns), offset_ns))

    def forget(self) -> None:
        self._measured.clear()

    @property
    def offset_ns(self) -> int | None:
        """Offset, or None before the first measurement."""
        return min(self._measured)[1] if self._measured else None

    @property
    def uncertainty_ns(self) -> int | None:
        return min(self._measured)[0] if self._measured else None
