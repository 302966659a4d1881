# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a Qinglong's datagrams: read, put in order, timed, counted."""

from collections import Counter

from lingbot_policy.relays.commands import LinkGate
from lingbot_policy.relays.freshness import ClockOffset, StampOrder
from lingbot_policy.relays.qinglong import parse_state, StateFrame


class StateReceiver:
    """
    Turns datagrams into states that are whole and newer than all before, and tells the gate.

    ``counts``: broken, and those of :class:`StampOrder`.
    """

    def __init__(self, gate: LinkGate, period_ns: int, forget_ns: int) -> None:
        self._gate = gate
        self._order = StampOrder(period_ns, forget_ns)
        self._broken: Counter[str] = Counter()
        self.offset = ClockOffset()
        self.driver_errors: tuple[int, ...] = ()
        self.last_fault = ''

    @property
    def counts(self) -> Counter[str]:
        return self._broken + self._order.counts

    def receive(self, datagram: bytes, arrival_ns: int, now_ns: int) -> StateFrame | None:
        """
        Return the state in a datagram, or None where it is broken or no news.

        :param arrival_ns: arrival on the ROS clock.
        :param now_ns: the same moment on the monotonic clock.
        """
        try:
            frame = parse_state(datagram)
        except ValueError as error:
            self._broken['broken'] += 1
            self.last_fault = str(error)
            return None
        if not self._order.accept(frame.stamp_ns, now_ns):
            return None
        self.offset.add_one_way(frame.stamp_ns, arrival_ns)
        self._gate.measured_offset(self.offset.offset_ns)
        self._gate.heard(now_ns)
        self.driver_errors = frame.driver_errors
        return frame
