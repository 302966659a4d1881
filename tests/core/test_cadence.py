# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of an episode, from ticks made by hand: `odd` at 100 Hz, its arms at 0, 1 and 3."""

import numpy as np
import pytest

from lingbot_policy.execution.cadence import Cadence, WINDOW
from lingbot_policy.execution.schedule import Splice

MS = 1_000_000
TICK = 10 * MS
ARMS = np.array([1.0, 1.0, 0.0, 1.0, 0.0])


@pytest.fixture
def cadence(odd) -> Cadence:
    return Cadence(odd)


def feed(cadence: Cadence, positions, sequence: int = 1, is_moving: bool = True, late_ns: int = 0):
    for each in positions:
        cadence.tick(each * ARMS, is_moving, sequence, TICK, late_ns)


def test_an_episode_without_a_tick_has_nothing_but_zeros(cadence):
    assert set(vars(cadence.report()).values()) == {0}


def test_the_policy_rate_counts_chunks_that_were_used(cadence):
    for sequence in (1, 2, 5, 6):
        feed(cadence, np.zeros(50), sequence)
    feed(cadence, np.zeros(1000), sequence=0, is_moving=False)
    report = cadence.report()
    assert (report.chunks_used, report.policy_hz) == (4, pytest.approx(2.0))


def test_lateness_is_told_by_median_p99_and_maximum(cadence):
    for i in range(1000):
        feed(cadence, [0.0], late_ns=(20 if i == 500 else 1) * MS)
    report = cadence.report()
    assert (report.late_ms_p50, report.late_ms_max) == (1.0, 20.0)
    assert report.late_ms_p99 == pytest.approx(1.0)


def test_a_steady_jerk_is_told_in_rad_per_s3(cadence):
    seconds = np.arange(100) * 0.01
    feed(cadence, 5.0 * seconds**3)  # its third derivative is 30
    report = cadence.report()
    assert report.jerk_rms == pytest.approx(30.0, rel=1e-3)
    assert report.jerk_p95 == pytest.approx(30.0, rel=1e-3)


def test_jumps_are_those_of_the_largest_arm_joint(cadence):
    for jump in (0.005, 0.02, 0.3):
        gripper_is_no_arm = np.array([0.0, -jump, 9.0, jump / 2, 9.0])
        cadence.spliced(Splice(gripper_is_no_arm, 2.0 * gripper_is_no_arm))
    cadence.spliced(None)
    report = cadence.report()
    assert report.edges == 3
    assert report.position_jump_median == pytest.approx(0.02)
    assert report.position_jump_max == pytest.approx(0.3)
    assert report.velocity_jump_max == pytest.approx(0.6 + 0.3 * 100.0)  # per command of 0.01 s
    assert report.jumps_too_far == 2  # one command of l2 may go 0.01


def test_holds_are_counted_by_their_reason_and_stalls_are_those_for_want_of_a_chunk(cadence):
    for reason in ('no_chunk: no chunk covers now', 'deadman: no chunk', 'stale_state: l1'):
        cadence.held(reason)
    report = cadence.report()
    assert (report.stalls, report.holds) == (2, 3)
    assert cadence.holds['stale_state'] == 1


def test_a_new_episode_knows_nothing_of_the_last(cadence):
    feed(cadence, [0.0, 0.1, 0.5, 0.7, 2.0], late_ns=MS)
    cadence.held('deadman')
    cadence.rejected('late')
    cadence.reset()
    assert set(vars(cadence.report()).values()) == {0}
    assert not cadence.rejections


def test_it_ranks_the_newest_ticks_and_keeps_the_maximum_of_all(cadence):
    feed(cadence, [0.0], late_ns=50 * MS)
    feed(cadence, np.zeros(WINDOW), late_ns=MS)
    report = cadence.report()
    assert report.late_ms_max == 50.0
    assert report.late_ms_p99 == 1.0
