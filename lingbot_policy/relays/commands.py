# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What may go to the robot: the newest command while it is fresh, through a gate that closes itself.

A relay has no queue. A command that cannot leave now is dropped and counted, so that nothing old
moves an arm when a link comes back.
"""

from collections import Counter
from collections.abc import Sequence
import threading

import numpy as np

from lingbot_policy.relays.wire import PairWire

ROUNDING = 1e-6


class CommandSlot:
    """The newest command of one topic, in our unit. ``counts``: accepted, refused."""

    def __init__(self, wire: PairWire, max_age_ns: int) -> None:
        self._wire = wire
        self._max_age_ns = max_age_ns
        self._newest: tuple[int, np.ndarray] | None = None  # when it was made, on our clock
        self.counts: Counter[str] = Counter()

    def accept(
        self, names: Sequence[str], positions: Sequence[float], age_ns: int, now_ns: int
    ) -> str:
        """
        Keep a command, or return why it is refused; '' means kept.

        :param age_ns: time since its stamp, 0 where it has none.
        :param now_ns: monotonic time of arrival.
        """
        fault = self._fault(names, positions, age_ns)
        if fault:
            self.counts['refused'] += 1
            return fault
        self.counts['accepted'] += 1
        self._newest = now_ns - max(age_ns, 0), self._wire.unit * np.array(positions, dtype=float)
        return ''

    def fresh(self, now_ns: int) -> np.ndarray | None:
        """Return the newest command, or None where there is none young enough."""
        newest = self._newest
        if newest is None or now_ns - newest[0] > self._max_age_ns:
            return None
        return newest[1]

    def forget(self) -> None:
        """Drop the command: nothing that came before this moment may be sent after it."""
        self._newest = None

    def _fault(self, names: Sequence[str], positions: Sequence[float], age_ns: int) -> str:
        wire = self._wire
        if len(positions) != len(wire.parts):
            return f'{wire.topic}: found {len(positions)} positions, expected {len(wire.parts)}'
        if names and wire.names and tuple(names) != wire.names:
            return f'{wire.topic}: found names {list(names)}, expected {list(wire.names)}'
        values = wire.unit * np.asarray(positions, dtype=float)
        outside = ~((values >= wire.lower - ROUNDING) & (values <= wire.upper + ROUNDING))
        if outside.any():  # NaN too
            at = int(np.argmax(outside))
            return (
                f'{wire.topic}: {wire.parts[at]}: found {values[at]:.6g}, expected '
                f'{wire.lower[at]:.6g} .. {wire.upper[at]:.6g}'
            )
        if abs(age_ns) > self._max_age_ns:
            return (
                f'{wire.topic}: stamp {age_ns * 1e-6:.1f} ms old, '
                f'expected at most {self._max_age_ns * 1e-6:.0f} ms'
            )
        return ''


class LinkGate:
    """
    Whether commands may pass: after an operator enabled them, while the robot speaks in time.

    Trouble closes the gate, and only another :meth:`enable` opens it: after a lost link the arm
    may stand elsewhere than the stack believes. Already before, while the last state is older
    than ``pause_ns``, nothing passes: a host that does not speak may not read either.
    """

    def __init__(self, pause_ns: int, silence_ns: int, max_offset_ns: int) -> None:
        self._pause_ns = pause_ns
        self._silence_ns = silence_ns
        self._max_offset_ns = max_offset_ns
        self._lock = threading.Lock()
        self._heard_ns: int | None = None
        self._offset_ns: int | None = None
        self._enabled = False
        self.closed_because = 'not enabled yet'

    def heard(self, now_ns: int) -> None:
        """Note a state of the robot at monotonic ``now_ns``."""
        self._heard_ns = now_ns

    def measured_offset(self, offset_ns: int | None) -> None:
        """Note the robot's clock minus ours; None where it is unknown."""
        self._offset_ns = offset_ns

    def trouble(self, now_ns: int) -> str:
        """Return why no command may pass, whoever enabled it; '' where there is no reason."""
        if self._heard_ns is None:
            return 'the robot has sent no state'
        if now_ns - self._heard_ns > self._silence_ns:
            return f'no state of the robot for {(now_ns - self._heard_ns) * 1e-9:.2f} s'
        if self._offset_ns is None:
            return "the offset of the robot's clock is unknown"
        if abs(self._offset_ns) > self._max_offset_ns:
            return (
                f"the robot's clock is off by {self._offset_ns * 1e-6:.1f} ms, expected at most "
                f'{self._max_offset_ns * 1e-6:.0f} ms: synchronise both hosts (chrony)'
            )
        return ''

    def enable(self, now_ns: int) -> None:
        """
        Open the gate.

        :raises ValueError: where there is trouble.
        """
        with self._lock:
            if trouble := self.trouble(now_ns):
                raise ValueError(trouble)
            self._enabled, self.closed_because = True, ''

    def disable(self, why: str) -> bool:
        """Close the gate; return whether it was open."""
        with self._lock:
            was_open = self._enabled
            if was_open or not self.closed_because:
                self.closed_because = why
            self._enabled = False
        return was_open

    def passes(self, now_ns: int) -> bool:
        """Return whether a command may leave now; the first trouble closes the gate."""
        if not self._enabled:
            return False
        if trouble := self.trouble(now_ns):
            self.disable(trouble)
            return False
        return now_ns - self._heard_ns <= self._pause_ns
