# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The delay from an observation to its first command, chunk by chunk."""

import pytest

from lingbot_policy.execution.delay import DelayEstimate, WINDOW

MS = 1_000_000


def measured(*delays_ms: float) -> DelayEstimate:
    delay = DelayEstimate()
    for each in delays_ms:
        delay.accepted(1000 * MS)
        delay.commanded(round((1000 + each) * MS))
    return delay


def test_before_the_first_chunk_it_is_unknown():
    delay = DelayEstimate()
    delay.commanded(5)
    assert (delay.p95_s, delay.last_s) == (0.0, 0.0)


def test_it_ends_with_the_first_command_after_the_chunk():
    delay = measured(120)
    delay.commanded(9000 * MS)
    assert delay.p95_s == delay.last_s == pytest.approx(0.120)


def test_it_is_the_95th_percentile():
    assert measured(*range(101, 121)).p95_s == pytest.approx(0.11905)


def test_one_slow_chunk_in_a_full_window_hardly_counts():
    assert measured(500, *[100] * (WINDOW - 1)).p95_s < 0.121


def test_a_chunk_that_was_dropped_is_not_measured():
    delay = measured(100)
    delay.accepted(0)
    delay.dropped()
    delay.commanded(9000 * MS)
    assert delay.p95_s == pytest.approx(0.1)
