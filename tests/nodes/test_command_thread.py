# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The command thread. Every wait is for an event: a loaded machine only makes these slower."""

import threading
import time

import pytest

from lingbot_policy.nodes.command_thread import CommandThread

PERIOD_NS = 10_000_000
PATIENCE_S = 90.0


class Ticks:
    """Notes when it is called; sleeps in the calls named in ``late_s``; ``until`` calls."""

    def __init__(self, until: int, late_s: dict[int, float] | None = None) -> None:
        self.times_ns: list[int] = []
        self.done = threading.Event()
        self._until = until
        self._late_s = late_s or {}

    def __call__(self, now_ns: int) -> None:
        self.times_ns.append(now_ns)
        if len(self.times_ns) >= self._until:
            self.done.set()
        time.sleep(self._late_s.get(len(self.times_ns), 0.0))


def run(ticks: Ticks) -> CommandThread:
    faults: list[BaseException] = []
    thread = CommandThread(1e9 / PERIOD_NS, ticks, faults.append)
    thread.start()
    assert ticks.done.wait(PATIENCE_S)
    thread.stop()
    assert not faults
    return thread


def test_it_ticks_until_it_is_stopped():
    ticks = Ticks(until=5)
    thread = run(ticks)
    count = len(ticks.times_ns)
    assert thread.ticks == count >= 5
    time.sleep(5 * PERIOD_NS * 1e-9)
    assert len(ticks.times_ns) == count


def test_no_tick_comes_before_its_deadline():
    started_ns = time.monotonic_ns()
    ticks = Ticks(until=5)
    run(ticks)
    for count, at_ns in enumerate(ticks.times_ns, start=1):
        assert at_ns >= started_ns + count * PERIOD_NS


def test_missed_ticks_are_counted_and_never_made_up_for():
    started_ns = time.monotonic_ns()
    ticks = Ticks(until=8, late_s={2: 0.055})
    thread = run(ticks)
    assert thread.missed >= 4
    assert thread.worst_late_ns >= 4 * PERIOD_NS
    # Made up for, they would bring more ticks than there were deadlines since the start.
    for count, at_ns in enumerate(ticks.times_ns[2:], start=3):
        assert at_ns >= started_ns + (count + 4) * PERIOD_NS


def test_deadlines_passed_and_ticks_given_add_up():
    started_ns = time.monotonic_ns()
    ticks = Ticks(until=20, late_s={3: 0.025, 9: 0.041})
    thread = run(ticks)
    passed = (ticks.times_ns[-1] - started_ns) // PERIOD_NS
    assert 20 <= thread.ticks + thread.missed <= passed


def test_a_fault_in_a_tick_is_reported_and_ends_the_ticks():
    faults: list[BaseException] = []
    reported = threading.Event()
    calls = []

    def tick(now_ns: int) -> None:
        calls.append(now_ns)
        if len(calls) == 3:
            raise ValueError('broken')

    def fault(error: BaseException) -> None:
        faults.append(error)
        reported.set()

    thread = CommandThread(200.0, tick, fault)
    thread.start()
    assert reported.wait(PATIENCE_S)
    time.sleep(0.03)
    assert [str(error) for error in faults] == ['broken']
    assert (len(calls), thread.ticks) == (3, 2)
    thread.stop()


@pytest.mark.parametrize('seconds', [0.0, 0.02])
def test_stopping_waits_for_the_tick_that_runs(seconds: float):
    ended = []
    begun = threading.Event()

    def tick(now_ns: int) -> None:
        begun.set()
        time.sleep(seconds)
        ended.append(now_ns)

    thread = CommandThread(100.0, tick, lambda error: None)
    thread.start()
    assert begun.wait(PATIENCE_S)
    thread.stop()
    assert thread.ticks == len(ended) >= 1
