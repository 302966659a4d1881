# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The gate of `odd` at 100 Hz: l1 -1..1, l2 -2..2, lg, r1 -0.5..1.5, rg.

Per tick a command may move by 0.01, 0.01, 0.01, 0.02, 0.02, and by 0.001, 0.001, 0.001, 0.002,
0.002 more or less than at the tick before.
"""

import numpy as np
import pytest

from lingbot_policy.safety.decision import told
from lingbot_policy.safety.gate import Decision, MeasuredState, Reaction, SafetyGate

MS = 1_000_000
REST = np.array([0.0, 0.5, 1.0, 0.25, 0.0])
STEP = np.array([0.01, 0.01, 0.01, 0.02, 0.02])
CHANGE = 0.1 * STEP
AGE_S, DEADMAN_S = 0.2, 1.5


def state(positions=REST, at_ns: int | list = 0) -> MeasuredState:
    return MeasuredState(np.array(positions, float), np.broadcast_to(np.array(at_ns), 5))


def seeded(robot, positions=REST) -> SafetyGate:
    gate = SafetyGate(robot, AGE_S, DEADMAN_S)
    gate.seed(state(positions), now_ns=0)
    return gate


def moving(robot) -> SafetyGate:
    """Return a gate whose last command moved every joint as fast as it may."""
    gate = seeded(robot, [0.0, 0.5, 0.5, 0.25, 0.2])
    for _ in range(10):
        before = gate.last
        gate.check(gate.last + 3 * STEP, state(), 0)
    np.testing.assert_allclose(gate.last - before, STEP, atol=1e-12)
    return gate


def assert_is(decision: Decision, reaction: Reaction, reason: str, joint: str = '') -> None:
    assert (decision.reaction, decision.reason, decision.joint) == (reaction, reason, joint)


def test_a_gate_which_was_never_seeded_checks_nothing(odd):
    with pytest.raises(RuntimeError, match='before it is seeded'):
        SafetyGate(odd, AGE_S, DEADMAN_S).check(REST, state(), 0)


def test_a_command_within_all_limits_goes_through_unchanged(odd):
    gate = seeded(odd)
    for share in (1, 3, 6, 9, 12):
        command = REST + share * CHANGE * [1, -1, -1, 1, 1]
        decision = gate.check(command, state(), 0)
        assert_is(decision, Reaction.COMMAND, '')
        assert decision.positions.tolist() == command.tolist()
    assert not gate.counts


def test_a_position_outside_is_clamped_and_told_with_value_and_limit(odd):
    gate = seeded(odd, [0.9995, 0.5, 1.0, 0.25, 0.0])
    decision = gate.check(np.array([1.2, 0.5, 1.0, 0.25, 0.0]), state(gate.last), 0)
    assert_is(decision, Reaction.CLAMP, 'position: l1 at 1.200, limit 1.000', 'l1')
    assert (decision.value, decision.limit) == (1.2, 1.0)
    assert decision.positions[0] == 1.0


def test_a_position_below_is_told_with_the_lower_limit(odd):
    gate = seeded(odd, [0.0, 0.5, 1.0, -0.499, 0.0])
    decision = gate.check(np.array([0.0, 0.5, 1.0, -0.9, 0.0]), state(gate.last), 0)
    assert_is(decision, Reaction.CLAMP, 'position: r1 at -0.900, limit -0.500', 'r1')
    assert decision.positions[3] == -0.5


def test_a_step_too_far_is_clamped_and_told_as_velocity(odd):
    gate = seeded(odd)
    decision = gate.check(REST + [0, 0, 0, 0.05, 0], state(), 0)
    assert_is(decision, Reaction.CLAMP, 'velocity: r1 at 5.000, limit 2.000', 'r1')
    assert decision.positions[3] == pytest.approx(0.252)
    assert decision.value == pytest.approx(5.0)
    assert decision.limit == pytest.approx(2.0)


def test_speeding_up_too_fast_is_clamped_and_told_as_acceleration(odd):
    gate = seeded(odd)
    decision = gate.check(REST + [0.004, 0, 0, 0, 0], state(), 0)
    assert_is(decision, Reaction.CLAMP, 'acceleration: l1 at 40.000, limit 10.000', 'l1')
    assert decision.positions[0] == pytest.approx(0.001)


def test_a_clamp_by_next_to_nothing_is_told_with_two_different_numbers(odd):
    decision = seeded(odd).check(REST - [0, 0, 0, 0, 4e-5], state(), 0)
    assert decision.reason == 'position: rg at -0.0000400, limit 0.0000000'
    decision = seeded(odd, [1.0, 0.5, 1.0, 0.25, 0.0]).check(
        np.array([1.00002, 0.5, 1.0, 0.25, 0.0]), state([1.0, 0.5, 1.0, 0.25, 0.0]), 0
    )
    assert decision.reason == 'position: l1 at 1.0000200, limit 1.0000000'


@pytest.mark.parametrize(
    ('value', 'limit', 'texts'),
    [
        (5.0, 2.0, ('5.000', '2.000')),
        (0.0004, 0.0003, ('0.000400', '0.000300')),
        (0.01, 0.0004, ('0.010000', '0.000400')),
        (1.00000002, 1.0, ('1.0000000200', '1.0000000000')),
        (0.0, 0.0, ('0.000', '0.000')),
    ],
)
def test_a_value_and_its_limit_are_told_apart(value, limit, texts):
    assert told(value, limit) == texts


def test_the_worst_joint_is_the_one_that_is_told(odd):
    decision = seeded(odd).check(REST + [0.02, 0.3, 0, 0, 0], state(), 0)
    assert decision.joint == 'l2'


def test_the_step_is_measured_from_the_last_command_not_from_the_joints(odd):
    gate = seeded(odd)
    for tick in range(1, 4):
        gate.check(REST + [1.0, 0, 0, 0, 0], state(), 0)
        assert gate.last[0] == pytest.approx(0.001 * tick * (tick + 1) / 2)


def test_every_reason_is_counted_by_its_word(odd):
    gate = seeded(odd)
    gate.check(REST, state(), 0)
    gate.check(None, state(), 0)
    gate.check(None, state(), 0)
    gate.check(REST * np.nan, state(), 0)
    gate.check(REST + [0, 0, 0, 0.05, 0], state(), 0)
    gate.report_fault('/left/errors', 'over-temperature')
    gate.check(REST, state(), 0)
    assert gate.counts == {'no_chunk': 2, 'not_finite': 1, 'velocity': 1, 'drive_fault': 1}


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_command_which_is_no_number_holds_and_names_the_joint(odd, value: float):
    gate = seeded(odd)
    decision = gate.check(REST + [0, 0, 0, value, 0], state(), 0)
    assert_is(decision, Reaction.HOLD, 'not_finite: r1', 'r1')
    assert decision.positions.tolist() == REST.tolist()


def test_a_command_of_another_length_is_a_bug_and_stops(odd):
    gate = seeded(odd)
    assert_is(gate.check(np.zeros(4), state(), 0), Reaction.STOP, 'length: (4,) for (5,)')
    assert gate.check(REST, state(), 0).reaction is Reaction.STOP


def test_without_a_command_the_last_is_repeated(odd):
    decision = seeded(odd).check(None, state(), 0)
    assert_is(decision, Reaction.HOLD, 'no_chunk: no chunk covers now')
    assert decision.positions.tolist() == REST.tolist()


def test_a_stale_arm_holds_both_and_is_named_with_age_and_limit(odd):
    received = [0, 0, 0, -1 * MS, 0]
    now_ns = 200 * MS
    gate = seeded(odd)
    assert gate.check(REST, state(at_ns=0), now_ns).reaction is Reaction.COMMAND
    decision = gate.check(REST + STEP, state(at_ns=received), now_ns)
    assert_is(decision, Reaction.HOLD, 'stale_state: r1 is 201 ms old, limit 200 ms')
    assert decision.positions.tolist() == REST.tolist()


def test_a_joint_which_was_never_received_holds_and_is_named(odd):
    decision = seeded(odd).check(REST, state([0.0, np.nan, 1.0, 0.0, 0.0]), 0)
    assert_is(decision, Reaction.HOLD, 'stale_state: l2 was never received')


def test_the_deadman_holds_where_no_chunk_is_accepted_for_too_long(odd):
    gate = seeded(odd)
    gate.feed(now_ns=0)
    fresh = state(at_ns=1_500 * MS)
    assert gate.check(REST, fresh, 1_500 * MS).reaction is Reaction.COMMAND
    decision = gate.check(REST, state(at_ns=1_501 * MS), 1_501 * MS)
    assert_is(decision, Reaction.HOLD, 'deadman: no chunk for 1.50 s')
    gate.feed(now_ns=1_502 * MS)
    assert gate.check(REST, fresh, 1_502 * MS).reaction is Reaction.COMMAND


def test_the_deadman_waits_for_the_first_chunk(odd):
    late_ns = 60_000 * MS
    decision = seeded(odd).check(REST, state(at_ns=late_ns), late_ns)
    assert decision.reaction is Reaction.COMMAND


def test_braking_follows_the_acceleration_limit_and_ends_still(odd):
    gate = moving(odd)
    last, steps = gate.last, []
    while not gate.is_still:
        decision = gate.check(None, state(), 0)
        assert decision.reaction is Reaction.BRAKE
        steps.append(decision.positions - last)
        last = decision.positions
    expected = [np.array([9, 9, 9, 18, 18]) * share / 1000 for share in np.arange(9, -1, -1) / 9]
    np.testing.assert_allclose(steps, expected, atol=1e-12)
    assert gate.check(None, state(), 0).reaction is Reaction.HOLD


def test_braking_does_not_leave_the_limits(odd):
    gate = seeded(odd, [0.9, 0.5, 1.0, 0.25, 0.0])
    for _ in range(12):
        gate.check(np.array([1.1, 0.5, 1.0, 0.25, 0.0]), state(gate.last), 0)
    for _ in range(12):
        assert gate.check(None, state(gate.last), 0).positions[0] <= 1.0
    assert gate.is_still


def test_every_hold_brakes_first(odd):
    late_ns = 300 * MS
    for command, measured, now_ns in (
        (None, state(), 0),
        (REST * np.nan, state(), 0),
        (REST, state(), late_ns),
    ):
        gate = moving(odd)
        assert gate.check(command, measured, now_ns).reaction is Reaction.BRAKE


def test_a_stop_brakes_holds_and_stays(odd):
    gate = moving(odd)
    gate.stop('operator')
    begin = gate.last[0]
    moved = gate.check(gate.last + STEP, state(), 0)
    assert_is(moved, Reaction.STOP, 'operator')
    assert moved.positions[0] - begin == pytest.approx(0.009)
    for _ in range(12):
        gate.check(gate.last + STEP, state(), 0)
    assert gate.is_still
    gate.check(gate.last + STEP, state(), 0)
    assert gate.last[0] - begin == pytest.approx(0.045)


def test_the_first_reason_of_a_stop_is_kept(odd):
    gate = seeded(odd)
    gate.stop('bumper')
    gate.stop('operator')
    assert gate.stop_reason == 'bumper'


def test_a_stop_goes_before_every_other_reason(odd):
    gate = seeded(odd)
    gate.stop('operator')
    assert gate.check(None, state([np.nan] * 5), 10**12).reason == 'operator'


def test_a_cleared_stop_lets_commands_through_again(odd):
    gate = seeded(odd)
    gate.stop('operator')
    gate.clear_stop()
    assert gate.stop_reason == ''
    assert gate.check(REST, state(), 0).reaction is Reaction.COMMAND


def test_seeding_within_the_tolerance_is_drawn_to_the_limit(odd):
    gate = seeded(odd, [1.05, 0.5, 1.1, -0.55, -0.1])
    assert gate.last.tolist() == [1.0, 0.5, 1.0, -0.5, 0.0]


def test_seeding_outside_the_tolerance_is_refused_with_every_joint(odd):
    with pytest.raises(ValueError) as caught:
        seeded(odd, [1.051, 0.5, -0.11, 0.25, 0.0])
    assert str(caught.value) == (
        'measured joints outside their limits: l1 at 1.051, limits -1.000 .. 1.000, '
        'lg at -0.110, limits 0.000 .. 1.000'
    )


@pytest.mark.parametrize(
    ('measured', 'told'),
    [
        (state([0.0, 0.0, 0.0, 0.0, np.nan]), 'no fresh joint state: rg was never received'),
        (state(at_ns=-201 * MS), 'no fresh joint state: l1 is 201 ms old, limit 200 ms'),
    ],
)
def test_seeding_needs_a_fresh_and_whole_state(odd, measured: MeasuredState, told: str):
    with pytest.raises(ValueError, match=told):
        SafetyGate(odd, AGE_S, DEADMAN_S).seed(measured, now_ns=0)


def test_a_decision_keeps_its_positions_when_the_gate_goes_on(odd):
    gate = moving(odd)
    first = gate.check(None, state(), 0)
    kept = first.positions.tolist()
    gate.check(None, state(), 0)
    assert first.positions.tolist() == kept


def test_the_executed_chunk_may_not_be_seen_too_long_ago(odd):
    gate = SafetyGate(odd, AGE_S, deadman_s=10.0, max_chunk_age_s=2.0)
    gate.seed(state(), 0)
    gate.feed(now_ns=3_000 * MS, seen_ns=1_500 * MS)
    at = state(at_ns=3_500 * MS)
    assert gate.check(REST, at, 3_500 * MS).reaction is Reaction.COMMAND
    decision = gate.check(REST, state(at_ns=3_501 * MS), 3_501 * MS)
    assert_is(decision, Reaction.HOLD, 'chunk_age: observed 2.00 s ago, limit 2.00 s')
