# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A stop brakes, is latched, and is cleared only at rest with fresh joints."""

import pytest

from lingbot_policy.execution.executor import Mode
from lingbot_policy.safety.gate import Reaction

MS = 1_000_000


def test_a_stop_brakes_holds_and_refuses_chunks_and_arming(moving):
    moving.execution.stop('bumper')
    assert moving.rejection() == 'stopped'
    ticks = moving.run(20)
    assert {tick.decision.reaction for tick in ticks} == {Reaction.STOP}
    assert ticks[-1].decision.positions[0] == ticks[-2].decision.positions[0]
    moving.execution.disarm('asked for')
    assert moving.execution.mode is Mode.STOPPED
    with pytest.raises(ValueError, match=r'stopped \(bumper\); clear the stop first'):
        moving.execution.arm(moving.now_ns)


def test_who_ends_while_stopped_falls_silent_and_the_stop_stays(moving):
    """A node that is activated again may not command where the arms were an hour ago."""
    moving.execution.stop('bumper')
    moving.run(20)
    moving.execution.silence('deactivated')
    assert set(moving.run(5)) == {None}
    with pytest.raises(ValueError, match=r'stopped \(bumper\); clear the stop first'):
        moving.execution.arm(moving.now_ns)
    moving.run(20)
    moving.execution.clear_stop(moving.now_ns)
    moving.execution.arm(moving.now_ns)


def test_a_stop_for_another_who_commands_brakes_and_yields(moving):
    moving.execution.stop('others publish commands', yields=True)
    ticks = moving.run(30)
    last = ticks.index(None)
    assert last > 1
    assert set(ticks[last:]) == {None}
    assert (ticks[last - 1].decision.positions == ticks[last - 2].decision.positions).all()
    assert moving.execution.mode is Mode.DISARMED
    assert moving.execution.gate.stop_reason == 'others publish commands'
    moving.run(20)
    moving.execution.clear_stop(moving.now_ns)
    moving.arm()
    moving.execution.stop('bumper')  # which yields to nobody
    assert None not in moving.run(30)


def test_a_stop_leaves_no_plan_to_continue(moving):
    moving.execution.stop('bumper')
    assert len(moving.execution.chunks.remaining()) == 0


def test_a_stop_is_not_cleared_while_it_brakes(moving):
    moving.execution.stop('bumper')
    moving.tick()
    with pytest.raises(ValueError, match='still braking'):
        moving.execution.clear_stop(moving.now_ns)
    assert moving.execution.mode is Mode.STOPPED


def test_a_stop_is_not_cleared_without_a_fresh_state(moving):
    moving.execution.stop('bumper')
    moving.run(20)
    moving.now_ns += 300 * MS
    with pytest.raises(ValueError, match='l1 is 300 ms old'):
        moving.execution.clear_stop(moving.now_ns)
    assert moving.execution.gate.stop_reason == 'bumper'


def test_a_cleared_stop_leaves_it_disarmed(moving):
    moving.execution.stop('bumper')
    moving.run(20)
    moving.execution.clear_stop(moving.now_ns)
    assert moving.execution.mode is Mode.DISARMED
    assert moving.tick() is None


def test_a_stop_while_disarmed_keeps_it_silent_and_has_to_be_cleared(driver):
    driver.execution.stop('bumper')
    assert set(driver.run(15)) == {None}
    driver.execution.expect('c1')
    with pytest.raises(ValueError, match='clear the stop first'):
        driver.execution.arm(driver.now_ns)
    driver.execution.clear_stop(driver.now_ns)
    driver.execution.arm(driver.now_ns)
    assert driver.execution.mode is Mode.HOLDING


def test_clearing_without_a_stop_changes_nothing(moving):
    moving.execution.clear_stop(moving.now_ns)
    assert moving.execution.mode is Mode.MOVING


def test_a_stop_while_it_brakes_to_disarm_does_not_undo_the_next_arming(moving):
    moving.execution.expect('c2')
    moving.execution.stop('bumper')
    moving.run(20)
    moving.execution.clear_stop(moving.now_ns)
    moving.execution.arm(moving.now_ns)
    moving.run(3)
    moving.accept(contract_digest='c2')
    assert moving.tick().source == 'soft_start'


def test_a_stop_is_not_cleared_before_the_arms_were_seen_to_stand_still(moving):
    moving.execution.stop('bumper')
    moving.run_until(lambda: moving.execution.gate.is_still)
    moving.follows = True
    moving.run(2)
    with pytest.raises(ValueError, match='not known to stand still'):
        moving.execution.clear_stop(moving.now_ns)
    moving.run(40)
    moving.execution.clear_stop(moving.now_ns)
