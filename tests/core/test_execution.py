# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The executor's states, driven tick by tick at 100 Hz with `odd` and a clock of integers."""

import numpy as np
import pytest

from lingbot_policy.execution.executor import Mode, Tick
from lingbot_policy.safety.gate import Reaction

MS = 1_000_000
TICK = 10 * MS
REST = np.array([0.0, 0.5, 0.5, 0.25, 0.5])


def l1(ticks: list[Tick]) -> np.ndarray:
    return np.array([tick.decision.positions[0] for tick in ticks])


def test_never_armed_it_is_silent(driver):
    driver.execution.expect('c1')
    assert driver.run(3) == [None, None, None]
    assert driver.execution.reason == 'never armed'


def test_disarmed_it_takes_no_chunk(driver):
    driver.execution.expect('c1')
    assert driver.rejection() == 'disarmed'


def test_arming_needs_a_contract(driver):
    driver.measure()
    with pytest.raises(ValueError, match='no policy contract received; start the policy server'):
        driver.execution.arm(0)


def test_arming_needs_every_joint(driver):
    driver.execution.expect('c1')
    driver.execution.measure(np.array([0, 1, 2]), REST[:3], 0)
    with pytest.raises(ValueError, match='no fresh joint state: r1 was never received'):
        driver.execution.arm(0)
    assert driver.execution.mode is Mode.DISARMED


def test_arming_needs_a_fresh_state(driver):
    driver.execution.expect('c1')
    driver.measure()
    with pytest.raises(ValueError, match='l1 is 300 ms old, limit 200 ms'):
        driver.execution.arm(300 * MS)


def test_armed_it_holds_the_measured_joints_until_a_chunk_comes(driver):
    driver.arm()
    for tick in driver.run(300):
        assert tick.decision.positions.tolist() == REST.tolist()
        assert (tick.source, tick.planned) == ('hold', None)
    assert driver.execution.mode is Mode.HOLDING


def test_arming_twice_changes_nothing(moving):
    moving.execution.arm(moving.now_ns)
    assert moving.execution.mode is Mode.MOVING


def test_the_first_motion_begins_softly_and_grows_to_full_speed(driver):
    driver.arm()
    driver.accept()
    ticks = driver.run(15)
    steps = np.diff(l1(ticks), prepend=0.0)
    assert steps[0] == pytest.approx(0.05 * 0.01)
    assert (np.diff(steps) >= -1e-12).all()
    assert steps.max() == pytest.approx(0.01, rel=2e-3)
    assert [tick.source for tick in ticks] == ['soft_start'] * 15  # it has not caught up yet


def test_a_target_which_is_reached_softly_is_not_overshot(driver):
    driver.arm()
    driver.accept(target=REST + [0.002, 0, 0, 0, 0])
    positions = l1(driver.run(30))
    assert (np.diff(positions) >= 0).all()
    assert positions[-1] == pytest.approx(0.002)


def test_a_tick_tells_chunk_and_step_it_came_from(driver):
    driver.arm()
    driver.accept(sequence=7)
    planned = driver.run(10)[-1].planned
    assert (planned.sequence, planned.step) == (7, pytest.approx(1.0))


def test_a_chunk_accepted_between_two_ticks_is_due_by_its_stamp(driver):
    driver.arm()
    driver.run(1)
    driver.now_ns += 6 * MS
    driver.accept()
    tick = driver.tick(4 * MS)
    assert tick.planned.step == pytest.approx(0.04)


def test_a_late_tick_makes_no_larger_step(moving):
    before = moving.tick().decision.positions
    late = moving.tick(dt_ns=100 * MS).decision.positions
    assert np.abs(late - before).max() <= 0.01 + 1e-12


def test_a_late_tick_makes_up_for_the_time_of_the_plan(moving):
    before = moving.tick().planned.step
    assert moving.tick(dt_ns=100 * MS).planned.step == pytest.approx(before + 1.0)


def test_a_chunk_of_another_contract_is_rejected(driver):
    driver.arm()
    assert driver.rejection(contract_digest='c2') == 'contract'


def test_after_the_last_step_it_brakes_and_holds(driver):
    driver.arm()
    driver.accept(seconds=0.3)
    driver.run(29)
    reactions = [tick.decision.reaction for tick in driver.run(15)]
    assert reactions[-1] is Reaction.HOLD
    assert Reaction.BRAKE in reactions
    assert driver.execution.mode is Mode.HOLDING
    assert driver.execution.is_at_rest


def test_the_deadman_holds_in_the_middle_of_a_chunk(driver):
    driver.arm()
    driver.accept(seconds=5.0)
    ticks = driver.run(105)
    assert ticks[99].decision.reaction is Reaction.COMMAND
    assert ticks[101].decision.reason == 'deadman: no chunk for 1.02 s'
    assert driver.execution.mode is Mode.HOLDING


def test_after_a_hold_the_same_policy_and_instruction_go_on_softly(moving):
    moving.execution.hold('pause')
    moving.run(20)
    at = moving.execution.gate.last[0]
    moving.accept()
    ticks = moving.run(15)
    assert l1(ticks)[0] - at == pytest.approx(0.05 * 0.01)
    assert ticks[0].source == 'soft_start'
    assert moving.execution.mode is Mode.MOVING


def test_after_a_hold_another_instruction_needs_arming(moving):
    moving.execution.hold('pause')
    moving.run(20)
    assert moving.rejection(instruction='stay') == 'instruction'
    assert moving.execution.mode is Mode.DISARMED
    assert moving.execution.reason == 'the instruction changed during a hold'
    assert moving.run(2) == [None, None]


def test_another_instruction_while_braking_brakes_to_the_end_before_it_disarms(moving):
    moving.execution.hold('pause')
    moving.run(1)
    assert moving.rejection(instruction='stay') == 'instruction'
    ticks = moving.run_until(lambda: moving.execution.mode is Mode.DISARMED)
    assert [tick.decision.reaction for tick in ticks] == [Reaction.BRAKE] * len(ticks)
    assert len(ticks) > 5
    assert moving.execution.gate.is_still


def test_in_motion_another_instruction_takes_over(moving):
    moving.accept(instruction='stay')
    assert moving.tick().source == 'chunk'


def test_armed_anew_another_instruction_is_taken(moving):
    moving.execution.hold('pause')
    moving.run(20)
    moving.execution.disarm('asked for')
    moving.arm()
    moving.accept(instruction='stay')
    assert moving.tick().source == 'soft_start'


def test_a_hold_longer_than_the_resume_window_disarms(moving):
    moving.execution.hold('pause')
    moving.run(199)
    assert moving.execution.mode is Mode.HOLDING
    moving.run(3)
    assert moving.execution.mode is Mode.DISARMED
    assert moving.execution.reason.startswith('held for 2.0 s (')
    assert moving.tick() is None


def test_a_hold_tells_its_own_reason(moving):
    moving.execution.hold('the ROS clock stepped by +1.000 s')
    assert moving.tick().decision.reason == 'the ROS clock stepped by +1.000 s'
    assert moving.execution.reason == 'the ROS clock stepped by +1.000 s'
    moving.accept(seconds=0.1)
    assert moving.run(30)[-1].decision.reason == 'no_chunk: no chunk covers now'


def test_a_hold_drops_the_plan_and_brakes(moving):
    moving.execution.hold('pause')
    tick = moving.tick()
    assert (tick.decision.reaction, tick.planned) == (Reaction.BRAKE, None)
    assert moving.execution.chunks.due() is None


def test_a_stale_arm_brakes_and_holds(moving):
    moving.is_measured = False
    ticks = moving.run(40)
    held = [tick.decision.reason for tick in ticks if tick.decision.reaction is Reaction.HOLD]
    assert held[0].startswith('stale_state: l1 is ')
    assert moving.execution.is_at_rest


def test_another_contract_brakes_first_and_then_disarms(moving):
    moving.execution.expect('c2')
    assert moving.execution.mode is Mode.MOVING
    assert moving.rejection() == 'disarmed'
    steps = np.diff(l1(moving.run_until(lambda: moving.execution.mode is Mode.DISARMED)))
    assert (np.diff(steps) <= 1e-12).all()
    assert steps[-1] == pytest.approx(0.0, abs=1e-12)
    assert moving.execution.reason == 'the policy contract changed'
    assert moving.tick() is None


def test_while_it_brakes_to_disarm_it_cannot_be_armed(moving):
    moving.execution.expect('c2')
    with pytest.raises(ValueError, match='still braking to disarm'):
        moving.execution.arm(moving.now_ns)


def test_another_contract_disarms_at_once_where_the_arms_stand_still(driver):
    driver.arm()
    driver.execution.expect('c2')
    assert driver.execution.mode is Mode.DISARMED


def test_the_same_contract_again_changes_nothing(moving):
    moving.execution.expect('c1')
    assert moving.tick().source == 'chunk'


def test_winding_down_brakes_and_takes_no_chunk_until_it_is_disarmed(moving):
    moving.execution.wind_down()
    assert moving.rejection() == 'disarmed'
    ticks = moving.run_until(lambda: moving.execution.is_at_rest)
    assert {tick.decision.reaction for tick in ticks} == {Reaction.BRAKE}
    moving.execution.disarm('asked for')
    assert moving.tick() is None
    moving.arm()
    moving.accept()
    assert moving.tick().source == 'soft_start'


def test_a_motion_that_ended_in_its_soft_start_does_not_shorten_the_next(driver):
    driver.arm()
    driver.accept()
    driver.run(3)
    driver.execution.stop('bumper')
    driver.run(30)
    driver.execution.clear_stop(driver.now_ns)
    driver.arm()
    driver.accept()
    assert driver.tick().source == 'soft_start'
    assert driver.execution.gate.last[0] == pytest.approx(0.05 * 0.01)


def test_a_chunk_seen_a_little_ahead_of_now_does_not_interrupt_the_motion(moving):
    moving.accept(t_ref_ns=moving.ros_ns + 30 * MS, seconds=2.0)
    assert {tick.source for tick in moving.run(20)} == {'chunk'}


def test_sync_takes_nothing_that_was_seen_while_the_arms_braked(sync_driver):
    driver = sync_driver
    driver.arm()
    driver.accept(seconds=0.3)
    driver.run(20)
    ticks = driver.run_until(lambda: driver.execution.is_at_rest)
    assert ticks[-1].decision.reaction is Reaction.BRAKE
    assert driver.rejection(t_ref_ns=driver.ros_ns - TICK) == 'moving'
    driver.tick()
    driver.accept()
    assert driver.tick().source == 'soft_start'


def test_sync_is_busy_while_it_moves(sync_driver):
    driver = sync_driver
    driver.arm()
    driver.accept()
    driver.run(5)
    assert driver.rejection() == 'busy'


def test_parked_arms_are_held_for_as_long_as_it_takes_and_may_go_on(moving):
    """Some robots may be left without commands only after their operator has done something."""
    moving.execution.wind_down()
    assert moving.rejection() == 'disarmed'
    assert not moving.execution.is_parked
    with pytest.raises(ValueError, match='still braking to disarm'):
        moving.execution.arm(moving.now_ns)
    ticks = moving.run(round(3 * moving.execution.limits.resume_window_s * 1e9 / TICK))
    assert moving.execution.is_parked
    assert None not in ticks
    moving.execution.arm(moving.now_ns)
    assert not moving.execution.is_parked
    moving.accept()
    moving.run_until(lambda: moving.execution.mode is Mode.MOVING)
