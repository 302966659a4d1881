# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How a new chunk follows the plan in force: by hand, for one joint at 10 Hz.

The plan in force stands at 0; the new chunk was seen at the same time and stands at 1.
"""

import numpy as np
import pytest

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.execution.schedule import MOST_CHUNKS, Schedule
from lingbot_policy.execution.strategies import STRATEGIES, StrategyOptions

STEP = 100_000_000
OVERLAPPING = [name for name, strategy in STRATEGIES.items() if not strategy.waits]


def level(value: float, t_ref_ns: int = 0, steps: int = 11, **changes) -> ActionChunk:
    return ActionChunk(np.full((steps, 1), value), t_ref_ns, 10.0, **changes)


class Line:
    """A schedule of one joint and its clock."""

    def __init__(self, strategy: str, **options) -> None:
        self.schedule = Schedule(1, strategy, StrategyOptions(**options))
        self.ros_ns = 0

    def accept(self, chunk: ActionChunk):
        return self.schedule.accept(chunk, self.ros_ns, self.ros_ns)

    def positions(self, ticks: int, dt_ns: int = STEP // 10) -> np.ndarray:
        """Return the positions due now and at each of so many ticks."""
        found = [self.schedule.due().positions.item()]
        for _ in range(ticks):
            self.ros_ns += dt_ns
            self.schedule.advance(dt_ns, self.ros_ns, self.ros_ns)
            found.append(self.schedule.due().positions.item())
        return np.array(found)


def met(strategy: str, new: ActionChunk | None = None, **options) -> tuple[Line, object]:
    """Return a line two steps into a plan at 0 which has just accepted a new chunk, at 1."""
    line = Line(strategy, **options)
    line.accept(level(0.0))
    line.positions(2, STEP)
    return line, line.accept(new or level(1.0, t_ref_ns=1, sequence=2))


@pytest.mark.parametrize('strategy', ['replace', 'rtc', 'rtc_trained'])
def test_replacing_takes_over_at_once(strategy):
    line, splice = met(strategy)
    assert line.positions(0).tolist() == [1.0]
    assert splice.positions.item() == 1.0


def test_blend_leaves_the_plan_where_it_is_and_arrives_after_its_steps():
    line, splice = met('blend', blend_steps=4)
    positions = line.positions(50)
    assert splice.positions.item() == splice.velocities.item() == 0.0
    assert positions[0] == 0.0
    assert positions[10:50:10] == pytest.approx([0.15625, 0.5, 0.84375, 1.0])
    assert (np.diff(positions) >= -1e-12).all()
    assert np.diff(positions).max() < 0.05


def test_blend_ends_with_the_plan_in_force():
    line = Line('blend', blend_steps=50)
    line.accept(level(0.0, steps=5))
    line.positions(2, STEP)
    line.accept(level(1.0, t_ref_ns=1))
    assert line.positions(2, STEP).tolist() == pytest.approx([0.0, 0.5, 1.0], abs=1e-6)


def test_blend_within_a_blend_does_not_jump():
    line, _ = met('blend', blend_steps=6)
    positions = [line.positions(15)]
    line.accept(level(-1.0, t_ref_ns=2))
    positions.append(line.positions(40))
    assert np.abs(np.diff(np.concatenate(positions))).max() < 0.05
    assert positions[1][0] == positions[0][-1]


def test_ensemble_goes_to_the_mean_weighted_by_age():
    new = level(1.0, t_ref_ns=2 * STEP, sequence=2)
    line, splice = met('ensemble', new, ensemble_decay=5.0, blend_steps=4)
    positions = line.positions(60)
    weight = 1.0 / (1.0 + np.exp(-5.0 * 0.2))
    assert splice.positions.item() == 0.0
    assert positions[20] == pytest.approx(0.5 * weight)
    assert positions[40:] == pytest.approx([weight] * 21)
    assert np.abs(np.diff(positions)).max() < 0.05


@pytest.mark.parametrize('ticks', [20, 23, 29])
@pytest.mark.parametrize('ahead', [-0.3, 0.3])
@pytest.mark.parametrize('strategy', ['ensemble', 'blend'])
def test_a_moving_joint_keeps_its_velocity_where_chunks_disagree(strategy, ahead, ticks):
    ramp = 0.1 * np.arange(20.0)[:, None]  # 1 rad/s
    line = Line(strategy)
    line.accept(ActionChunk(ramp, 0, 10.0))
    line.positions(ticks)
    splice = line.accept(ActionChunk(ramp + ahead, 1, 10.0))
    assert splice.velocities.item() == pytest.approx(0.0, abs=1e-9)
    velocities = np.diff(line.positions(80)) * 100.0
    assert np.abs(np.diff(velocities, prepend=1.0)).max() < 0.2


def test_an_ensemble_forgets_a_chunk_that_has_ended():
    line = Line('ensemble', ensemble_decay=0.0, blend_steps=2)
    line.accept(level(0.0, steps=6))
    line.positions(2, STEP)
    line.accept(level(1.0, t_ref_ns=1))
    positions = line.positions(8, STEP)
    assert positions[2:4] == pytest.approx([0.5, 0.5])
    assert positions[5:] == pytest.approx([1.0] * 4)


def test_an_ensemble_keeps_no_more_chunks_than_it_may():
    line = Line('ensemble')
    for i in range(3 * MOST_CHUNKS):
        line.accept(level(1.0, t_ref_ns=i))
    assert len(line.schedule._chunks) == MOST_CHUNKS


@pytest.mark.parametrize('strategy', OVERLAPPING)
def test_without_a_plan_in_force_the_chunk_is_the_plan(strategy):
    line = Line(strategy)
    line.accept(level(1.0))
    assert line.positions(3).tolist() == [1.0] * 4


@pytest.mark.parametrize('strategy', OVERLAPPING)
def test_a_chunk_at_its_very_end_still_takes_over(strategy):
    line = Line(strategy)
    line.accept(level(0.0))
    line.positions(4, STEP)
    line.accept(level(1.0, t_ref_ns=1, steps=5))
    assert line.schedule.due() is not None


@pytest.mark.parametrize('strategy', OVERLAPPING)
def test_a_chunk_stamped_a_little_ahead_takes_over_without_a_gap(strategy):
    line = Line(strategy)
    line.accept(level(0.0))
    line.positions(2, STEP)
    line.accept(level(1.0, t_ref_ns=line.ros_ns + STEP // 3))
    assert len(line.positions(80)) == 81


@pytest.mark.parametrize('strategy', OVERLAPPING)
def test_what_remains_is_what_will_be_due(strategy):
    line, _ = met(strategy, level(1.0, t_ref_ns=STEP // 2))
    remaining = line.schedule.remaining().ravel()
    due = line.positions(len(remaining) - 1, STEP)
    np.testing.assert_allclose(remaining, due, atol=1e-6)


@pytest.mark.parametrize('strategy', OVERLAPPING)
def test_a_chunk_equal_to_the_plan_changes_nothing(strategy):
    ramp = np.arange(20.0)[:, None]
    line = Line(strategy)
    line.accept(ActionChunk(ramp, 0, 10.0))
    line.positions(4, STEP)
    line.accept(ActionChunk(ramp[2:], 2 * STEP, 10.0))
    np.testing.assert_allclose(line.positions(50), 4.0 + np.arange(51) / 10, atol=1e-9)


def test_only_these_ask_for_the_plan():
    assert [n for n, s in STRATEGIES.items() if s.continues_plan] == ['rtc', 'rtc_trained']
