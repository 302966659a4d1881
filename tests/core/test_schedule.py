# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Chunks of one joint at 10 Hz whose step i is at the position i, unless a test says else.

Their clocks begin at 0, and stamps too: a test that offers a chunk gives the ROS time of that.
"""

from collections import Counter

import numpy as np
import pytest

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.execution.schedule import Schedule, Splice

MS = 1_000_000
STEP = 100 * MS


def chunk(t_ref_ns: int = 0, steps: int = 6, start: float = 0.0, **changes) -> ActionChunk:
    positions = start + np.arange(steps, dtype=float)[:, None]
    return ActionChunk(**{'positions': positions, 't_ref_ns': t_ref_ns, 'rate_hz': 10.0} | changes)


class Line:
    """A schedule of one joint and its ROS clock, which nothing else moves."""

    def __init__(self, strategy: str = 'replace', ros_ns: int = 0) -> None:
        self.schedule = Schedule(1, strategy)
        self.ros_ns, self.now_ns = ros_ns, 0

    def accept(self, offered: ActionChunk) -> Splice | None:
        return self.schedule.accept(offered, self.ros_ns, self.now_ns)

    def advance(self, dt_ns: int) -> None:
        self.ros_ns += dt_ns
        self.now_ns += dt_ns
        self.schedule.advance(dt_ns, self.ros_ns, self.now_ns)

    def set_speed(self, share: float) -> None:
        """Choose a speed at once, without the run towards it."""
        self.schedule.asked_speed = self.schedule.speed = share

    @property
    def now(self) -> float | None:
        planned = self.schedule.due()
        return None if planned is None else planned.positions.item()

    def rejects(self, offered: ActionChunk) -> str:
        with pytest.raises(RejectedChunk) as caught:
            self.accept(offered)
        assert str(caught.value).startswith(f'{caught.value.reason}: ')
        return caught.value.reason


def test_nothing_is_due_without_a_chunk():
    line = Line()
    assert line.now is None
    assert line.schedule.remaining().shape == (0, 1)
    assert line.schedule.rate_hz == 0.0


def test_in_motion_the_step_which_is_due_depends_on_the_age_of_the_chunk():
    line = Line()
    line.accept(chunk())
    line.advance(2 * STEP)
    line.accept(chunk(t_ref_ns=1, start=10.0))
    assert line.now == pytest.approx(12.0)
    line.advance(STEP)
    assert line.now == pytest.approx(13.0)


def test_from_standstill_the_first_step_is_due_first_however_old_it_is():
    line = Line(ros_ns=4 * STEP)
    line.accept(chunk(t_ref_ns=0))
    assert line.now == 0.0
    line.advance(STEP)
    assert line.now == 1.0


def test_only_the_time_the_arms_moved_counts_as_executed():
    """Seen in motion, which ended for want of a chunk half a step before this one came."""
    line = Line()
    line.accept(chunk(steps=3))
    line.advance(2 * STEP)
    line.schedule.finish(line.ros_ns)
    line.advance(STEP // 2)
    line.accept(chunk(t_ref_ns=STEP, start=1.0))
    assert line.now == pytest.approx(2.0)


def test_the_speed_of_each_moment_counts():
    line = Line()
    line.accept(chunk())
    line.advance(STEP)
    line.set_speed(0.5)
    line.schedule.advance(0, line.ros_ns, line.now_ns)
    line.schedule._pieces.append((line.now_ns, 0.5))
    line.advance(2 * STEP)
    line.accept(chunk(t_ref_ns=1, start=10.0))
    assert line.now == pytest.approx(12.0)


@pytest.mark.parametrize('step_ns', [-15 * MS, 40 * MS])
def test_a_step_of_the_ros_clock_lays_one_chunk_wrong_and_not_those_after_it(step_ns):
    """Each chunk is seen 0.2 s before it comes, and says of each moment what the first said."""
    line = Line(ros_ns=100 * STEP)
    line.accept(chunk(t_ref_ns=100 * STEP, steps=50))
    edges = []
    for position in (0, 2, 4, 6):
        seen = chunk(t_ref_ns=line.ros_ns + 1, steps=50, start=position)
        line.advance(2 * STEP)
        if position == 2:
            line.ros_ns += step_ns
        edges.append(line.accept(seen).positions.item())
    wrong = step_ns / STEP
    assert edges == pytest.approx([0.0, wrong, -wrong, 0.0], abs=1e-6)


def test_a_plan_tells_when_its_first_step_is_due_also_between_two_ticks():
    line = Line()
    line.accept(chunk())
    line.advance(STEP)
    line.schedule.accept(chunk(t_ref_ns=1, start=10.0), line.ros_ns + MS, line.now_ns + MS, MS)
    assert line.schedule.ros_ns == STEP
    assert line.schedule.remaining()[0].item() == pytest.approx(11.0, abs=1e-6)


def test_an_ensemble_leaves_out_chunks_of_the_instruction_before():
    line = Line('ensemble')
    line.accept(chunk(steps=30, instruction='fold'))
    line.advance(STEP)
    line.accept(chunk(t_ref_ns=1, steps=30, start=10.0, instruction='pour'))
    line.advance(8 * STEP)  # the fade is over
    assert line.now == pytest.approx(19.0)


def test_between_two_steps_of_a_straight_motion_positions_lie_on_it():
    line = Line()
    line.accept(chunk())
    positions = []
    for _ in range(5):
        line.advance(25 * MS)
        positions.append(line.now)
    assert positions == [0.25, 0.5, 0.75, 1.0, 1.25]


def test_velocities_are_those_of_the_speed_of_now():
    line = Line()
    line.set_speed(0.5)
    line.accept(chunk())
    line.advance(STEP)
    assert line.schedule.due().velocities.item() == pytest.approx(5.0)


def test_many_small_ticks_end_where_one_large_tick_does():
    line = Line()
    line.accept(chunk())
    for _ in range(100):
        line.advance(4 * MS)
    assert line.now == pytest.approx(4.0)


def test_a_newer_chunk_takes_over_at_the_step_due_now():
    line = Line()
    line.accept(chunk(sequence=1))
    line.advance(STEP)
    splice = line.accept(chunk(t_ref_ns=STEP // 2, start=100.0, sequence=2))
    assert (splice.positions.item(), splice.velocities.item()) == (99.5, 0.0)
    line.advance(STEP)
    planned = line.schedule.due()
    assert (planned.positions.item(), planned.sequence, planned.step) == (101.5, 2, 1.5)


def test_the_first_chunk_is_no_splice():
    assert Line().accept(chunk()) is None


@pytest.mark.parametrize('changes', [{'t_ref_ns': 50 * MS}, {'first_step_offset': 0.5}])
def test_until_the_first_step_is_due_it_is_the_first_step(changes: dict):
    line = Line()
    line.accept(chunk(start=5.0, **changes))
    assert line.now == 5.0
    line.advance(50 * MS)
    assert line.now == 5.0
    line.advance(STEP)
    assert line.now == 6.0


def test_after_its_last_step_a_chunk_is_due_no_more():
    line = Line()
    line.accept(chunk(steps=3))
    line.advance(2 * STEP)
    assert line.now == 2.0
    line.advance(1)
    assert line.now is None
    assert len(line.schedule.remaining()) == 0


def test_what_remains_begins_now_and_ends_with_the_last_step():
    line = Line()
    line.accept(chunk(steps=4))
    line.advance(STEP // 2)
    assert line.schedule.remaining().ravel().tolist() == [0.5, 1.5, 2.5]
    line.advance(STEP // 2)
    assert line.schedule.remaining().ravel().tolist() == [1.0, 2.0, 3.0]
    assert line.schedule.rate_hz == 10.0


def test_a_lower_speed_slows_and_skips_nothing():
    line = Line()
    line.set_speed(0.5)
    line.accept(chunk(steps=3))
    positions = []
    while line.now is not None:
        positions.append(line.now)
        line.advance(STEP)
    assert positions == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_the_speed_runs_towards_the_one_asked_for_and_positions_do_not_jump():
    line = Line()
    line.accept(chunk(steps=50))
    line.advance(STEP)
    line.schedule.asked_speed = 0.1
    positions = [line.now]
    for _ in range(60):
        line.advance(10 * MS)
        positions.append(line.now)
    steps = np.diff(positions)
    assert steps[0] == pytest.approx(0.098)
    assert (np.diff(steps) <= 1e-12).all()
    assert steps[-1] == pytest.approx(0.01)


def test_cleared_nothing_is_due_and_an_older_chunk_may_come():
    line = Line(ros_ns=STEP)
    line.accept(chunk(t_ref_ns=STEP))
    line.schedule.clear()
    assert line.now is None
    line.accept(chunk(t_ref_ns=0))
    assert line.now == 0.0


REJECTIONS = {
    'empty': (chunk(steps=0), 0),
    'short': (chunk(steps=1), 0),
    'shape': (chunk(positions=np.zeros((3, 2))), 0),
    'rate': (chunk(rate_hz=0.0), 0),
    'not_finite': (chunk(positions=np.array([[0.0], [np.nan]])), 0),
    'future': (chunk(t_ref_ns=51 * MS), 0),
    'late': (chunk(t_ref_ns=1, steps=3), 2 * STEP + 2),
    'out_of_order': (chunk(t_ref_ns=-1), 0),
    'duplicate': (chunk(), 0),
}


@pytest.mark.parametrize('reason', REJECTIONS)
def test_a_chunk_is_rejected_for_a_reason_to_count_by(reason: str):
    line = Line()
    line.accept(chunk(start=50.0))
    offered, line.ros_ns = REJECTIONS[reason]
    remaining = line.schedule.remaining().tolist()
    assert line.rejects(offered) == reason
    assert line.now == 50.0
    assert line.schedule.remaining().tolist() == remaining


def test_after_a_stall_an_older_chunk_is_still_out_of_order():
    line = Line(ros_ns=STEP)
    line.accept(chunk(t_ref_ns=STEP, steps=2))
    line.advance(2 * STEP)
    line.schedule.finish(line.ros_ns)
    assert line.rejects(chunk(t_ref_ns=0, steps=50)) == 'out_of_order'
    assert line.rejects(chunk(t_ref_ns=STEP, steps=50)) == 'duplicate'


@pytest.mark.parametrize('rate_hz', [0.0, -10.0, float('nan'), float('inf')])
def test_a_chunk_without_a_usable_rate_is_rejected(rate_hz: float):
    assert Line().rejects(chunk(rate_hz=rate_hz)) == 'rate'


def test_a_chunk_whose_offset_is_no_number_is_rejected():
    assert Line().rejects(chunk(first_step_offset=float('inf'))) == 'rate'


def test_a_chunk_of_one_dimension_is_rejected():
    assert Line().rejects(chunk(positions=np.zeros(3))) == 'shape'


def test_rejections_tell_joint_and_step():
    offered = chunk(positions=np.array([[0.0, 0.0], [0.0, np.inf]]))
    with pytest.raises(RejectedChunk, match='not_finite: step 1, joint 1'):
        Schedule(dof=2).accept(offered, 0, 0)


def test_rejections_are_counted_by_their_reasons():
    line, counts = Line(), Counter()
    line.accept(chunk())
    for offered, line.ros_ns in REJECTIONS.values():
        counts[line.rejects(offered)] += 1
    assert counts == dict.fromkeys(REJECTIONS, 1)


def test_a_chunk_whose_last_step_is_due_now_is_not_late():
    line = Line()
    line.accept(chunk())
    line.advance(2 * STEP)
    line.accept(chunk(t_ref_ns=1, steps=3))
    assert line.now == pytest.approx(2.0)


def test_sync_begins_a_chunk_when_it_is_accepted():
    line = Line('sync', ros_ns=100 * STEP)
    line.accept(chunk(t_ref_ns=0))
    assert line.now == 0.0
    line.advance(STEP)
    assert line.now == 1.0


def test_sync_refuses_while_a_chunk_is_executed():
    line = Line('sync')
    line.accept(chunk())
    line.ros_ns = STEP
    assert line.rejects(chunk(t_ref_ns=STEP)) == 'busy'


def test_sync_refuses_what_was_seen_before_standstill():
    line = Line('sync')
    line.accept(chunk())
    line.schedule.finish(ros_now_ns=10 * STEP)
    line.ros_ns = 11 * STEP
    assert line.rejects(chunk(t_ref_ns=10 * STEP - 1)) == 'moving'
    line.accept(chunk(t_ref_ns=10 * STEP, start=3.0))
    assert line.now == 3.0


def test_sync_refuses_a_chunk_seen_so_long_before_that_its_steps_are_over():
    line = Line('sync', ros_ns=STEP)
    line.accept(chunk(t_ref_ns=STEP, steps=20))
    line.advance(8 * STEP)
    line.schedule.clear()
    assert line.rejects(chunk(t_ref_ns=2 * STEP, steps=4)) == 'late'
    assert line.now is None


def test_sync_takes_any_first_chunk_after_it_was_cleared():
    line = Line('sync', ros_ns=STEP)
    line.schedule.finish(ros_now_ns=10 * STEP)
    line.schedule.clear()
    line.accept(chunk(t_ref_ns=0))
    assert line.now == 0.0


def test_an_unknown_strategy_is_named_with_the_known_ones():
    with pytest.raises(
        ValueError,
        match="no execution strategy 'fast'; known: sync, replace, ensemble, blend, rtc, rtc_tr",
    ):
        Schedule(dof=1, strategy='fast')


def test_a_chunk_says_when_its_last_step_is_due():
    assert chunk(t_ref_ns=7, steps=3, first_step_offset=0.5).end_ns == 7 + 250 * MS
