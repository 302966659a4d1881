# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting for what belongs to one instant of `odd`: no longer than it takes to come."""

from collections.abc import Callable
from itertools import accumulate, repeat
import threading

import numpy as np
import pytest

from lingbot_policy.observation import (
    FrozenObservation,
    FrozenWatch,
    Observation,
    ObservationBuffer,
    PACE_FRAMES,
)

MS = 1_000_000
T = 50_000 * MS  # t_ref
PERIOD_MS = 100
FOREVER_S = 3600.0
PATIENCE_S = 90.0  # on a loaded machine


def frame(value: int) -> np.ndarray:
    return np.full((40, 2, 3), value, np.uint8)


def push_wrist(buffer: ObservationBuffer, newest_ms: int, periods_ms: list[int]) -> None:
    """Push frames of the wrist camera, the newest at ``newest_ms`` from T, so far apart."""
    ages = [0, *accumulate(reversed(periods_ms))]
    for age in reversed(ages):
        at_ns = T + (newest_ms - age) * MS
        buffer.push_image('right_wrist', frame(1), at_ns, at_ns)


def with_head_and_joints(odd) -> ObservationBuffer:
    """Return a buffer which lacks only the wrist camera for an observation at T."""
    buffer = ObservationBuffer(odd)
    buffer.push_image('head', frame(1), T, T)
    buffer.push_state('arms', np.array([0, 1, 3]), np.zeros(3), T, T)
    buffer.push_state('claws', np.array([2, 4]), np.zeros(2), T, T)
    return buffer


def regular(count: int = PACE_FRAMES - 1) -> list[int]:
    return list(repeat(PERIOD_MS, count))


def answer_of(wait: Callable, then: Callable[[], None]):
    """Return what ``wait`` returns once ``then`` has run beside it."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(wait()), daemon=True)
    thread.start()
    thread.join(timeout=0.05)
    assert thread.is_alive(), f'it did not wait: {answers}'
    then()
    thread.join(timeout=PATIENCE_S)
    assert answers, 'it waits on'
    return answers[0]


def test_a_head_frame_ends_the_wait_for_it(odd):
    buffer = ObservationBuffer(odd)
    buffer.push_image('head', frame(1), T - 1, T - 1)
    came = answer_of(
        lambda: buffer.wait_head(T - 1, FOREVER_S),
        lambda: buffer.push_image('head', frame(2), T, T),
    )
    assert came == T


def test_no_other_frame_ends_the_wait_for_a_head_frame(odd):
    buffer = ObservationBuffer(odd)

    def others_first() -> None:
        buffer.push_image('right_wrist', frame(1), T, T)
        buffer.push_image('head', frame(1), T - 1, T - 1)
        buffer.push_image('head', frame(1), T, T)

    assert answer_of(lambda: buffer.wait_head(T - 1, FOREVER_S), others_first) == T


def test_a_head_frame_which_is_there_is_not_waited_for(odd):
    buffer = with_head_and_joints(odd)
    assert buffer.wait_head(T - 1, 0.0) == T
    assert buffer.wait_head(T, 0.0) is None


@pytest.mark.parametrize('last', ['right_wrist', 'arms'])
def test_the_last_stream_ends_the_wait_for_all(odd, last: str):
    buffer = ObservationBuffer(odd)
    streams = {
        'head': lambda: buffer.push_image('head', frame(1), T, T),
        'right_wrist': lambda: buffer.push_image('right_wrist', frame(1), T, T),
        'arms': lambda: buffer.push_state('arms', np.array([0, 1, 3]), np.zeros(3), T, T),
        'claws': lambda: buffer.push_state('claws', np.array([2, 4]), np.zeros(2), T, T),
    }
    push_last = streams.pop(last)
    for push in streams.values():
        push()
    assert answer_of(lambda: buffer.wait_settled(T, FOREVER_S), push_last)


def test_a_stream_which_does_not_come_ends_no_wait(odd):
    assert not with_head_and_joints(odd).wait_settled(T, 0.0)


def test_a_camera_out_of_step_is_not_waited_for(odd):
    buffer = with_head_and_joints(odd)
    push_wrist(buffer, -60, regular())
    assert buffer.is_settled(T)


def test_a_camera_in_step_is_waited_for(odd):
    buffer = with_head_and_joints(odd)
    push_wrist(buffer, -PERIOD_MS, regular())
    assert not buffer.is_settled(T)


def test_a_frame_due_about_now_is_waited_for(odd):
    buffer = with_head_and_joints(odd)
    push_wrist(buffer, -95, regular())
    assert not buffer.is_settled(T)


def test_the_shortest_period_tells_the_pace(odd):
    buffer = with_head_and_joints(odd)
    push_wrist(buffer, -60, [200, 200, 50, 200, 200, 200, 200])
    assert not buffer.is_settled(T)


def test_a_camera_of_few_frames_has_no_pace(odd):
    buffer = with_head_and_joints(odd)
    push_wrist(buffer, -60, regular(PACE_FRAMES - 2))
    assert not buffer.is_settled(T)


def test_joints_are_waited_for_whatever_their_pace(odd):
    buffer = ObservationBuffer(odd)
    buffer.push_image('head', frame(1), T, T)
    push_wrist(buffer, 0, regular())
    buffer.push_state('claws', np.array([2, 4]), np.zeros(2), T, T)
    for at_ns in range(T - 10 * PERIOD_MS * MS, T, PERIOD_MS * MS):
        buffer.push_state('arms', np.array([0, 1, 3]), np.zeros(3), at_ns - 1, at_ns - 1)
    assert not buffer.is_settled(T)


@pytest.mark.parametrize('row', range(0, 40, 13))
def test_one_pixel_in_any_row_makes_another_picture(row: int):
    watch, other = FrozenWatch(after_s=0.5), frame(1)
    other[row, 1, 2] = 9

    def seen(at_ms: int, picture: np.ndarray) -> Observation:
        at_ns = T + at_ms * MS
        return Observation(at_ns, {'head': picture}, {'head': at_ns}, np.zeros(1), '')

    watch.check(seen(0, frame(1)))
    watch.check(seen(600, other))
    with pytest.raises(FrozenObservation):
        watch.check(seen(1_200, other.copy()))
