# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Chunks of one joint at 10 Hz whose step i is at the position i, unless a test says else."""

from collections import Counter

import numpy as np
import pytest

from lingbot_policy.chunk import ActionChunk, ChunkExecutor, RejectedChunk

MS = 1_000_000
STEP = 100 * MS


def chunk(t_ref_ns: int = 0, steps: int = 6, start: float = 0.0, **changes) -> ActionChunk:
    positions = start + np.arange(steps, dtype=float)[:, None]
    return ActionChunk(**{'positions': positions, 't_ref_ns': t_ref_ns, 'rate_hz': 10.0} | changes)


def now(executor: ChunkExecutor) -> float | None:
    planned = executor.due()
    return None if planned is None else planned.positions.item()


def rejected(executor: ChunkExecutor, offered: ActionChunk, ros_now_ns: int) -> str:
    with pytest.raises(RejectedChunk) as caught:
        executor.accept(offered, ros_now_ns)
    assert str(caught.value).startswith(f'{caught.value.reason}: ')
    return caught.value.reason


def test_nothing_is_due_without_a_chunk():
    executor = ChunkExecutor(dof=1)
    assert executor.due() is None
    assert executor.remaining().shape == (0, 1)
    assert executor.rate_hz == 0.0


def test_the_step_which_is_due_depends_on_the_age_of_the_chunk():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(t_ref_ns=0), ros_now_ns=2 * STEP)
    assert now(executor) == 2.0
    executor.advance(STEP)
    assert now(executor) == 3.0


def test_between_two_steps_positions_are_interpolated():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(), 0)
    positions = []
    for _ in range(5):
        executor.advance(25 * MS)
        positions.append(now(executor))
    assert positions == [0.25, 0.5, 0.75, 1.0, 1.25]


def test_many_small_ticks_end_where_one_large_tick_does():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(), 0)
    for _ in range(100):
        executor.advance(4 * MS)
    assert now(executor) == pytest.approx(4.0)


def test_a_newer_chunk_takes_over_at_the_next_tick():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(sequence=1), 0)
    executor.advance(STEP)
    executor.accept(chunk(t_ref_ns=STEP // 2, start=100.0, sequence=2), ros_now_ns=STEP)
    executor.advance(STEP)
    planned = executor.due()
    assert (planned.positions.item(), planned.sequence, planned.step) == (101.5, 2, 1.5)


def test_the_first_step_may_be_due_after_t_ref():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(first_step_offset=1.5), ros_now_ns=2 * STEP)
    assert now(executor) == 0.5


@pytest.mark.parametrize('changes', [{'t_ref_ns': 50 * MS}, {'first_step_offset': 0.5}])
def test_until_the_first_step_is_due_it_is_the_first_step(changes: dict):
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(start=5.0, **changes), ros_now_ns=0)
    assert now(executor) == 5.0
    executor.advance(50 * MS)
    assert now(executor) == 5.0
    executor.advance(STEP)
    assert now(executor) == 6.0


def test_after_its_last_step_a_chunk_is_due_no_more():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(steps=3), 0)
    executor.advance(2 * STEP)
    assert now(executor) == 2.0
    executor.advance(1)
    assert executor.due() is None
    assert len(executor.remaining()) == 0


def test_a_chunk_of_one_step_is_due_for_a_moment():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(steps=1, start=7.0), 0)
    assert now(executor) == 7.0
    executor.advance(1)
    assert executor.due() is None


def test_what_remains_begins_now_and_ends_with_the_last_step():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(steps=4), 0)
    executor.advance(STEP // 2)
    assert executor.remaining().ravel().tolist() == [0.5, 1.5, 2.5]
    executor.advance(STEP // 2)
    assert executor.remaining().ravel().tolist() == [1.0, 2.0, 3.0]
    assert executor.rate_hz == 10.0


def test_a_lower_speed_slows_and_skips_nothing():
    executor = ChunkExecutor(dof=1)
    executor.speed = 0.5
    executor.accept(chunk(steps=3), 0)
    positions = []
    while (position := now(executor)) is not None:
        positions.append(position)
        executor.advance(STEP)
    assert positions == [0.0, 0.5, 1.0, 1.5, 2.0]


def test_speed_may_change_within_a_chunk_without_a_jump():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(), 0)
    executor.advance(STEP)
    executor.speed = 0.1
    assert now(executor) == 1.0
    executor.advance(STEP)
    assert now(executor) == pytest.approx(1.1)


def test_cleared_nothing_is_due_and_an_older_chunk_may_come():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(t_ref_ns=STEP), STEP)
    executor.clear()
    assert executor.due() is None
    executor.accept(chunk(t_ref_ns=0), STEP)
    assert now(executor) == 1.0


REJECTIONS = {
    'empty': (chunk(steps=0), 0),
    'shape': (chunk(positions=np.zeros((3, 2))), 0),
    'not_finite': (chunk(positions=np.array([[0.0], [np.nan]])), 0),
    'future': (chunk(t_ref_ns=51 * MS), 0),
    'late': (chunk(t_ref_ns=1, steps=3), 2 * STEP + 2),
    'out_of_order': (chunk(t_ref_ns=-1), 0),
}


@pytest.mark.parametrize('reason', REJECTIONS)
def test_a_chunk_is_rejected_for_a_reason_to_count_by(reason: str):
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(start=50.0), 0)
    assert rejected(executor, *REJECTIONS[reason]) == reason
    assert now(executor) == 50.0


def test_the_same_chunk_twice_is_out_of_order():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(), 0)
    assert rejected(executor, chunk(), 0) == 'out_of_order'


@pytest.mark.parametrize('rate_hz', [0.0, -10.0, float('nan'), float('inf')])
def test_a_chunk_without_a_usable_rate_is_rejected(rate_hz: float):
    assert rejected(ChunkExecutor(dof=1), chunk(rate_hz=rate_hz), 0) == 'rate'


def test_a_chunk_whose_offset_is_no_number_is_rejected():
    assert rejected(ChunkExecutor(dof=1), chunk(first_step_offset=float('inf')), 0) == 'rate'


def test_a_chunk_of_one_dimension_is_rejected():
    assert rejected(ChunkExecutor(dof=1), chunk(positions=np.zeros(3)), 0) == 'shape'


def test_rejections_tell_joint_and_step():
    offered = chunk(positions=np.array([[0.0, 0.0], [0.0, np.inf]]))
    with pytest.raises(RejectedChunk, match='not_finite: step 1, joint 1'):
        ChunkExecutor(dof=2).accept(offered, 0)


def test_rejections_are_counted_by_their_reasons():
    executor, counts = ChunkExecutor(dof=1), Counter()
    executor.accept(chunk(), 0)
    for offered, ros_now_ns in REJECTIONS.values():
        try:
            executor.accept(offered, ros_now_ns)
        except RejectedChunk as rejection:
            counts[rejection.reason] += 1
    assert counts == dict.fromkeys(REJECTIONS, 1)


def test_a_chunk_whose_last_step_is_due_now_is_not_late():
    executor = ChunkExecutor(dof=1)
    executor.accept(chunk(steps=3), 2 * STEP)
    assert now(executor) == 2.0


def test_sync_anchors_a_chunk_when_it_is_accepted():
    executor = ChunkExecutor(dof=1, mode='sync')
    executor.accept(chunk(t_ref_ns=0), ros_now_ns=100 * STEP)
    assert now(executor) == 0.0
    executor.advance(STEP)
    assert now(executor) == 1.0


def test_sync_refuses_while_a_chunk_is_executed():
    executor = ChunkExecutor(dof=1, mode='sync')
    executor.accept(chunk(), 0)
    assert rejected(executor, chunk(t_ref_ns=STEP), STEP) == 'busy'


def test_sync_refuses_what_was_seen_before_standstill():
    executor = ChunkExecutor(dof=1, mode='sync')
    executor.accept(chunk(), 0)
    executor.finish(ros_now_ns=10 * STEP)
    assert rejected(executor, chunk(t_ref_ns=10 * STEP - 1), 11 * STEP) == 'moving'
    executor.accept(chunk(t_ref_ns=10 * STEP, start=3.0), 11 * STEP)
    assert now(executor) == 3.0


def test_sync_takes_any_first_chunk_after_it_was_cleared():
    executor = ChunkExecutor(dof=1, mode='sync')
    executor.finish(ros_now_ns=10 * STEP)
    executor.clear()
    executor.accept(chunk(t_ref_ns=0), STEP)
    assert now(executor) == 0.0


def test_an_unknown_mode_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no execution mode 'fast'; known: replace, sync"):
        ChunkExecutor(dof=1, mode='fast')


def test_a_chunk_says_when_its_last_step_is_due():
    assert chunk(t_ref_ns=7, steps=3, first_step_offset=0.5).end_ns == 7 + 250 * MS
