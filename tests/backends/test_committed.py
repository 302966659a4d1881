# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Which steps of a new chunk the committed plan decides, by hand: 20 steps at 10 Hz."""

import numpy as np
import pytest

from lingbot_policy.backends.committed import (
    committed_steps,
    Continuation,
    continuation,
    TAKEOVER_STEPS,
    with_past,
)
from lingbot_policy.contract import PolicyContract, scripted_contract
from lingbot_policy.policy import Prefix
from lingbot_policy.robot import load_robot

S = 1_000_000_000
ROBOT = load_robot('agilex_cobot_magic')


def contract(horizon: int = 20, **changes) -> PolicyContract:
    sealed = scripted_contract('tiny', ROBOT, horizon)
    return sealed.model_copy(update={'rate_hz': 10.0, **changes})


def plan(steps: int = 10, **changes) -> Prefix:
    """Return a plan at 10 Hz from 1 s on whose step i is at the position i in every joint."""
    ramp = np.arange(float(steps))[:, None] * np.ones(14)
    return Prefix(**{'positions': ramp, 'start_ns': S, 'rate_hz': 10.0, 'delay_s': 0.2, **changes})


def test_a_plan_is_read_at_the_times_of_the_new_steps():
    committed = committed_steps(plan(), contract(), S + S // 20)
    np.testing.assert_allclose(committed.positions[:9, 0], np.arange(9) + 0.5, atol=1e-6)
    assert committed.known.tolist() == [True] * 9 + [False] * 11
    assert committed.result is Continuation.WITHIN_HORIZON


def test_before_the_plan_begins_nothing_is_known():
    committed = committed_steps(plan(), contract(), S - S // 10)
    assert committed.known[:3].tolist() == [False, True, True]


def test_a_plan_of_another_rate_is_read_in_between_its_steps():
    committed = committed_steps(plan(rate_hz=5.0), contract(), S)
    np.testing.assert_allclose(committed.positions[:4, 0], [0.0, 0.5, 1.0, 1.5])
    assert committed.known.sum() == 19


def test_a_slower_execution_stretches_the_plan_and_the_new_chunk_alike():
    """At half speed 0.2 s after its begin the plan is at step 1; then step follows step."""
    committed = committed_steps(plan(speed=0.5), contract(), S + S // 5)
    np.testing.assert_allclose(committed.positions[:4, 0], [1.0, 2.0, 3.0, 4.0])
    assert committed.known.sum() == 9
    assert committed.frozen == 1 + TAKEOVER_STEPS


def test_what_was_executed_under_the_plan_before_is_known_too():
    """The plan before is at i + 5 where the new one is at i: it was 0.5 s ahead of it."""
    before = plan(steps=20, start_ns=S - S // 2)
    both = with_past(plan(), before)
    np.testing.assert_allclose(both.positions[:6, 0], [0.0, 1.0, 2.0, 3.0, 4.0, 0.0])
    assert both.start_ns == S - S // 2
    committed = committed_steps(both, contract(), S - S // 10)
    assert committed.known[:3].all()
    np.testing.assert_allclose(committed.positions[:3, 0], [4.0, 0.0, 1.0], atol=1e-6)
    assert (with_past(both, both).positions[:, 0] == both.positions[:, 0]).all()


@pytest.mark.parametrize(
    ('before', 'added'),
    [
        (None, 0),
        (plan(steps=0), 0),
        (plan(start_ns=S + S), 0),  # it begins later
        (plan(steps=3, start_ns=S - S // 2), 0),  # it had ended
        (plan(start_ns=S - S // 5), 2),
        (plan(steps=100, start_ns=S - 5 * S), 5),  # no more than 0.5 s of it
        (plan(start_ns=S - S // 5, speed=0.5), 2),
    ],
)
def test_only_what_leads_up_to_the_plan_is_put_in_front(before, added):
    both = with_past(plan(), before)
    assert len(both.positions) == 10 + added
    assert both.start_ns == S - added * S // 10
    np.testing.assert_array_equal(both.positions[added:], plan().positions)


def test_trained_weights_continue_no_more_than_they_learned():
    limited = contract(rtc_trained_steps=3)
    at_once = committed_steps(plan(delay_s=0.1), limited, S, is_trained=True)
    assert (at_once.frozen, at_once.result) == (3, Continuation.WITHIN_HORIZON)
    late = committed_steps(plan(delay_s=0.4), limited, S, is_trained=True)
    assert (late.frozen, late.result) == (3, Continuation.DELAY_BEYOND_TRAINING)
    assert late.is_continued
    guided = committed_steps(plan(delay_s=0.4), limited, S)
    assert (guided.frozen, guided.result) == (4 + TAKEOVER_STEPS, Continuation.WITHIN_HORIZON)


@pytest.mark.parametrize(
    ('delay_s', 'offset', 'frozen'),
    [(0.2, 0.0, 4), (0.21, 0.0, 5), (0.2, 1.0, 3), (0.05, 3.0, 2), (60.0, 0.0, 20)],
)
def test_the_frozen_steps_reach_two_beyond_those_due_before_the_chunk_can_act(
    delay_s, offset, frozen
):
    sealed = contract(first_step_offset=offset)
    assert committed_steps(plan(delay_s=delay_s), sealed, S).frozen == frozen


def test_without_a_plan_there_is_nothing_to_continue():
    assert continuation(None, contract(), S) is Continuation.NO_PLAN
    assert continuation(plan(steps=0), contract(), S) is Continuation.NO_PLAN


def test_a_plan_longer_than_the_horizon_decides_every_step():
    committed = committed_steps(plan(steps=30), contract(horizon=8), S)
    assert committed.known.all()
    assert committed.result is Continuation.LONGER_THAN_HORIZON
    assert committed.is_continued


def test_a_delay_beyond_the_overlap_freezes_all_that_is_known():
    committed = committed_steps(plan(steps=4, delay_s=0.6), contract(), S)
    assert committed.known.sum() == 4
    assert committed.result is Continuation.DELAY_BEYOND_OVERLAP
    assert committed.is_continued


def test_a_plan_that_has_ended_is_not_continued():
    committed = committed_steps(plan(), contract(), 3 * S)
    assert committed.result is Continuation.PLAN_ENDED
    assert not committed.is_continued


def test_a_plan_without_a_measured_delay_is_not_continued():
    committed = committed_steps(plan(delay_s=0.0), contract(), S)
    assert committed.result is Continuation.DELAY_UNKNOWN
    assert not committed.is_continued
