# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Strategy, speed, delay, the way home and shadow mode of an execution, tick by tick."""

import numpy as np
import pytest

from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.safety.gate import Reaction

MS = 1_000_000


def l1(ticks) -> np.ndarray:
    return np.array([tick.decision.positions[0] for tick in ticks])


def travel(driver) -> None:
    """Move l1 away from home and let it come to rest there."""
    driver.follows = True
    driver.arm()
    driver.accept(seconds=0.8)
    driver.run(60)
    driver.run_until(lambda: driver.execution.is_at_rest)
    assert driver.execution.gate.last[0] > 0.1


@pytest.fixture
def shadow(driver_of):
    return driver_of(shadow=True)


def test_the_strategy_may_change_while_disarmed_or_holding(driver):
    driver.execution.set_strategy('blend')
    driver.arm()
    driver.run(3)
    driver.execution.set_strategy('sync')
    driver.accept()
    assert driver.tick().source == 'soft_start'
    assert driver.execution.chunks.strategy_name == 'sync'


def test_in_motion_the_strategy_stays(moving):
    with pytest.raises(ValueError, match='strategy blend: the arms move; choose it while'):
        moving.execution.set_strategy('blend')
    assert moving.execution.chunks.strategy_name == 'replace'
    moving.execution.hold('pause')
    moving.tick()
    with pytest.raises(ValueError, match='the arms move'):
        moving.execution.set_strategy('blend')
    moving.run_until(lambda: moving.execution.is_at_rest)
    moving.execution.set_strategy('blend')


def test_an_unknown_strategy_is_refused(driver, odd):
    with pytest.raises(ValueError, match="no execution strategy 'fast'; known: sync, replace"):
        driver.execution.set_strategy('fast')
    with pytest.raises(ValueError, match='no execution strategy'):
        Execution(odd, driver.execution.limits, 'fast')


def test_rtc_trained_needs_weights_that_were_trained_for_it(driver):
    driver.execution.expect('c1')
    with pytest.raises(ValueError, match='weights were not trained to continue a plan'):
        driver.execution.set_strategy('rtc_trained')
    driver.execution.expect('c1', rtc_trained=True)
    driver.execution.set_strategy('rtc_trained')
    driver.measure()
    for act in (lambda: driver.execution.expect('c1'), lambda: driver.execution.arm(0)):
        with pytest.raises(ValueError, match=r'rtc_trained_steps in policy\.yaml'):
            act()
    driver.execution.expect('c1', rtc_trained=True)
    driver.execution.arm(0)


@pytest.mark.parametrize('strategy', ['replace', 'ensemble', 'blend', 'rtc'])
def test_every_strategy_starts_moves_brakes_and_holds(driver_of, strategy):
    driver = driver_of(strategy)
    driver.arm()
    for _ in range(4):
        driver.accept(seconds=0.6)
        driver.run(20)
    ticks = driver.run(80)
    assert driver.execution.mode is Mode.HOLDING
    assert driver.execution.is_at_rest
    assert ticks[-1].decision.reaction is Reaction.HOLD
    assert driver.execution.cadence.report().stalls == 1


def test_a_slower_speed_is_reached_without_a_jump_and_stays(driver):
    driver.follows = True
    driver.arm()
    ramp = np.tile(driver.execution.robot.home, (60, 1))
    ramp[:, 0] = 0.05 * np.arange(60)
    driver.accept(positions=ramp)
    full = np.diff(l1(driver.run(40)))[-1]
    assert full == pytest.approx(0.005)
    driver.execution.set_speed(0.25)
    steps = np.diff(l1(driver.run(45)))
    assert (np.diff(steps) <= 1e-9).all()
    assert steps[-1] == pytest.approx(full / 4)


def test_the_delay_is_measured_at_the_first_tick_after_a_chunk(driver):
    driver.arm()
    driver.run(30)
    driver.accept(t_ref_ns=driver.ros_ns - 80 * MS)
    assert driver.execution.delay.p95_s == 0.0
    driver.run(3)
    assert driver.execution.delay.p95_s == pytest.approx(0.09)


def test_a_chunk_dropped_before_its_first_tick_gives_no_delay(driver):
    driver.arm()
    driver.accept()
    driver.execution.hold('pause')
    driver.run(5)
    assert driver.execution.delay.p95_s == 0.0


def test_an_episode_begins_with_arming(moving):
    assert moving.execution.cadence.report().chunks_used == 1
    moving.execution.leave('asked for')
    moving.run_until(lambda: moving.execution.mode is Mode.DISARMED)
    moving.run(20)
    assert moving.execution.cadence.report().chunks_used == 1
    moving.arm()
    assert moving.execution.cadence.report().chunks_used == 0


def test_home_is_reached_from_a_hold_and_held(driver):
    travel(driver)
    at = driver.execution.gate.last
    assert at[0] > 0.1
    assert driver.execution.go_home() >= 1.0
    ticks = driver.run(190)  # a longer hold would disarm
    sources = {tick.source for tick in ticks}
    assert sources == {'go_home', 'hold'}
    assert {tick.decision.reaction for tick in ticks if tick.source == 'go_home'} == {'command'}
    assert ticks[-1].decision.reason == 'at home'
    grippers = driver.execution.robot.is_gripper
    np.testing.assert_allclose(
        ticks[-1].decision.positions[~grippers], driver.execution.robot.home[~grippers], atol=1e-6
    )
    assert (ticks[-1].decision.positions[grippers] == at[grippers]).all()


def test_on_the_way_home_and_there_chunks_are_refused_until_it_is_armed_again(driver):
    driver.follows = True
    driver.arm()
    driver.run(2)
    driver.execution.go_home()
    driver.run(20)
    assert driver.rejection() == 'home'
    with pytest.raises(ValueError, match='on the way home'):
        driver.execution.arm(driver.now_ns)
    driver.run_until(lambda: driver.execution.reason == 'at home')
    assert driver.rejection() == 'home'
    driver.execution.arm(driver.now_ns)
    driver.accept(instruction='another')
    assert driver.tick().source == 'soft_start'


def test_home_is_gone_to_only_from_a_hold(moving):
    with pytest.raises(ValueError, match='moving; the arms go home only from a hold'):
        moving.execution.go_home()
    moving.execution.disarm('asked for')
    with pytest.raises(ValueError, match='disarmed; the arms go home only'):
        moving.execution.go_home()


@pytest.mark.parametrize('end', ['hold', 'stop', 'leave'])
def test_a_hold_and_a_stop_end_the_way_home(driver, end):
    travel(driver)
    driver.execution.go_home()
    driver.run(40)
    assert driver.tick().source == 'go_home'
    getattr(driver.execution, end)('bumper')
    ticks = [tick for tick in driver.run(60) if tick]
    assert 'go_home' not in {tick.source for tick in ticks}
    assert ticks[-1].decision.positions[0] > 0.01
    assert driver.execution.gate.is_still


def test_a_stale_arm_ends_the_way_home(driver):
    travel(driver)
    driver.execution.go_home()
    driver.run(10)
    driver.is_measured = False
    driver.run(40)
    driver.is_measured = True
    assert {tick.source for tick in driver.run(30)} == {'hold'}
    assert driver.rejection() == 'home'


def test_in_shadow_every_command_is_called_so_and_counts_as_followed(shadow):
    shadow.arm()
    shadow.accept(seconds=3.0)
    ticks = shadow.run(90)
    assert {tick.source for tick in ticks} == {'shadow'}
    assert ticks[-1].decision.reaction is Reaction.COMMAND
    assert l1(ticks)[-1] > 0.4


def test_in_shadow_a_stale_arm_still_holds(shadow):
    shadow.arm()
    shadow.accept(seconds=3.0)
    shadow.run(20)
    shadow.is_measured = False
    assert shadow.run(60)[-1].decision.reason.startswith('stale_state')


def test_a_chunk_is_not_executed_longer_than_its_observation_may_be_old(driver_of):
    driver = driver_of(limits=ExecutionLimits(deadman_s=60.0))
    driver.follows = True
    driver.arm()
    driver.run(100)
    driver.accept(seconds=30.0, t_ref_ns=driver.ros_ns - 900 * MS)
    driver.run(900)
    assert driver.execution.mode is Mode.MOVING
    reasons = [tick.decision.reason for tick in driver.run(15)]
    assert reasons[-1].startswith('chunk_age: observed 10.')


def test_a_speed_chosen_before_the_first_tick_is_run_towards(driver):
    """A plan waits for its first tick: its speed may not change under it at once."""
    driver.arm()
    driver.accept()
    driver.execution.set_speed(0.2)
    assert driver.execution.chunks.speed == 1.0
    driver.run(100)
    assert driver.execution.chunks.speed == pytest.approx(0.2)


def test_chunks_for_an_older_instruction_are_refused_and_the_motion_goes_on(moving):
    moving.execution.instruct('pour')
    assert moving.rejection(instruction='fold') == 'old_instruction'
    assert moving.execution.mode is Mode.MOVING
    moving.accept(instruction='pour')


@pytest.mark.parametrize('is_alive', [True, False])
def test_a_synchronous_chunk_runs_to_its_end_while_others_come(driver_of, is_alive):
    """The deadman asks whether the policy lives; chunks that are not wanted yet say so."""
    driver = driver_of('sync')
    driver.follows = True
    driver.arm()
    home = driver.execution.robot.home
    ramp = np.tile(home, (31, 1))
    ramp[:, 0] = home[0] + 0.01 * np.arange(31)
    driver.accept(positions=ramp)
    for _ in range(29):  # 3 s, of which the deadman waits for 1.5
        driver.run(10)
        if is_alive:
            assert driver.rejection(positions=ramp) == 'busy'
    assert (driver.execution.mode is Mode.MOVING) is is_alive
    assert ('deadman' in driver.execution.reason) is not is_alive
