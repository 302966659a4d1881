# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What may pass a relay, and when."""

from dataclasses import replace
import math

import numpy as np
import pytest

from lingbot_policy.relays.commands import CommandSlot, LinkGate
from lingbot_policy.relays.freshness import ClockOffset, StampOrder
from lingbot_policy.relays.wire import PairWire

MS = 1_000_000
AB = ('a', 'b')
WIRE = PairWire('/commands', AB, AB, np.array([-1.0, 0.0]), np.array([1.0, 2.0]), 50.0)


def slot() -> CommandSlot:
    return CommandSlot(WIRE, 100 * MS)


def gate() -> LinkGate:
    return LinkGate(pause_ns=100 * MS, silence_ns=500 * MS, max_offset_ns=20 * MS)


def open_gate(now_ns: int = 0) -> LinkGate:
    opened = gate()
    opened.heard(now_ns)
    opened.measured_offset(0)
    opened.enable(now_ns)
    return opened


def test_a_command_is_fresh_until_its_age_ends():
    commands = slot()
    assert commands.accept((), [0.5, 1.5], 0, 1000 * MS) == ''
    assert commands.fresh(1100 * MS).tolist() == [0.5, 1.5]
    assert commands.fresh(1101 * MS) is None


def test_the_age_of_a_stamp_counts_from_the_stamp():
    commands = slot()
    commands.accept((), [0.5, 1.5], 60 * MS, 1000 * MS)
    assert commands.fresh(1040 * MS) is not None
    assert commands.fresh(1041 * MS) is None


def test_degrees_become_radians_before_their_limits_are_checked():
    commands = CommandSlot(replace(WIRE, unit=math.radians(1.0)), 100 * MS)
    assert commands.accept((), [-57.0, 90.0], 0, 0) == ''
    assert commands.fresh(0) == pytest.approx([-0.99483767, 1.57079633])
    assert 'b: found 2.00713' in commands.accept((), [0.0, 115.0], 0, 0)


@pytest.mark.parametrize(
    ('names', 'positions', 'age_ns', 'fault'),
    [
        ((), [0.5], 0, 'found 1 positions, expected 2'),
        (('b', 'a'), [0.5, 1.5], 0, "found names ['b', 'a']"),
        ((), [0.5, float('nan')], 0, 'b: found nan'),
        ((), [57.3, 1.0], 0, 'a: found 57.3, expected -1 .. 1'),
        ((), [0.5, -0.1], 0, 'b: found -0.1, expected 0 .. 2'),
        ((), [0.5, 1.5], 101 * MS, 'stamp 101.0 ms old'),
        ((), [0.5, 1.5], -101 * MS, 'stamp -101.0 ms old'),
    ],
)
def test_a_wrong_command_is_refused_and_the_one_before_stays(names, positions, age_ns, fault):
    commands = slot()
    commands.accept((), [0.1, 0.2], 0, 0)
    assert fault in commands.accept(names, positions, age_ns, 10 * MS)
    assert commands.counts == {'accepted': 1, 'refused': 1}
    assert commands.fresh(10 * MS).tolist() == [0.1, 0.2]


def test_nothing_from_before_forgetting_is_sent_after_it():
    commands = slot()
    commands.accept((), [0.5, 1.5], 0, 0)
    commands.forget()
    assert commands.fresh(0) is None


def test_a_gate_stays_closed_until_somebody_opens_it():
    closed = gate()
    closed.heard(0)
    closed.measured_offset(0)
    assert not closed.passes(0)
    closed.enable(0)
    assert closed.passes(0)


@pytest.mark.parametrize(
    ('heard_ns', 'offset_ns', 'trouble'),
    [
        (None, 0, 'has sent no state'),
        (-501 * MS, 0, 'no state of the robot for 0.50 s'),
        (0, None, 'offset of the robot'),
        (0, 21 * MS, 'off by 21.0 ms'),
        (0, -21 * MS, 'off by -21.0 ms'),
    ],
)
def test_a_gate_in_trouble_cannot_be_opened(heard_ns, offset_ns, trouble):
    closed = gate()
    if heard_ns is not None:
        closed.heard(heard_ns)
    closed.measured_offset(offset_ns)
    with pytest.raises(ValueError, match=trouble):
        closed.enable(0)
    assert not closed.passes(0)


def test_a_short_silence_pauses_and_the_next_state_resumes():
    opened = open_gate()
    assert not opened.passes(101 * MS)
    opened.heard(150 * MS)
    assert opened.passes(151 * MS)


def test_a_long_silence_closes_for_good():
    opened = open_gate()
    assert not opened.passes(501 * MS)
    opened.heard(502 * MS)
    assert not opened.passes(503 * MS)
    assert 'no state of the robot for 0.50 s' in opened.closed_because


def test_a_clock_that_runs_off_closes_for_good():
    opened = open_gate()
    opened.measured_offset(25 * MS)
    assert not opened.passes(0)
    opened.measured_offset(0)
    assert not opened.passes(0)


def test_duplicates_and_late_ones_are_counted_and_gaps_estimated():
    order = StampOrder(period_ns=10 * MS, forget_ns=500 * MS)
    stamps_ms = [10, 20, 20, 15, 30, 60, 71]
    news = [order.accept(stamp * MS, now) for now, stamp in enumerate(stamps_ms)]
    assert news == [True, True, False, False, True, True, True]
    assert order.counts == {'accepted': 5, 'duplicates': 1, 'late': 1, 'missing': 2}


def test_a_robot_that_set_its_clock_back_is_heard_again_after_the_silence():
    order = StampOrder(period_ns=10 * MS, forget_ns=500 * MS)
    assert order.accept(10_000 * MS, 0)
    assert not order.accept(10 * MS, 500 * MS)
    assert order.accept(20 * MS, 501 * MS)
    assert order.accept(30 * MS, 511 * MS)


def test_the_offset_is_that_of_the_shortest_round_trip():
    offset = ClockOffset()
    assert offset.offset_ns is None
    offset.add_round_trip(sent_ns=0, remote_ns=45 * MS, received_ns=60 * MS)  # 15 +- 30
    offset.add_round_trip(sent_ns=100 * MS, remote_ns=108 * MS, received_ns=102 * MS)  # 7 +- 1
    assert offset.offset_ns == 7 * MS
    assert offset.uncertainty_ns == 1 * MS


def test_old_round_trips_leave_the_window():
    offset = ClockOffset(window=2)
    offset.add_round_trip(0, 0, 0)
    for sent in (1, 2):
        offset.add_round_trip(sent * MS, sent * MS + 30 * MS, sent * MS + 2 * MS)
    assert offset.offset_ns == 29 * MS


def test_one_way_the_least_delay_bounds_the_offset():
    offset = ClockOffset()
    for stamp_ms, arrival_ms in ((100, 104), (110, 111), (120, 150)):
        offset.add_one_way(stamp_ms * MS, arrival_ms * MS)
    assert offset.offset_ns == -1 * MS
