# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Observations of `odd`: head and right wrist camera at 10 Hz, two state topics."""

from dataclasses import replace
import threading

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from lingbot_policy.observation import (
    ClockStepped,
    ClockWatch,
    FROZEN_REPEATS,
    FrozenObservation,
    FrozenWatch,
    MissingObservation,
    Observation,
    ObservationBuffer,
    StaleObservation,
)

MS = 1_000_000
T = 5_000 * MS  # t_ref
ARMS, CLAWS = np.array([0, 1, 3]), np.array([2, 4])


def frame(value: int) -> np.ndarray:
    return np.full((1, 2, 3), value, np.uint8)


def push_arms(buffer: ObservationBuffer, at_ms: int, *values: float) -> None:
    buffer.push_state('arms', ARMS, np.array(values), T + at_ms * MS, T + at_ms * MS)


def push_claws(buffer: ObservationBuffer, at_ms: int, *values: float) -> None:
    buffer.push_state('claws', CLAWS, np.array(values), T + at_ms * MS, T + at_ms * MS)


def push_frame(buffer: ObservationBuffer, camera: str, at_ms: int, value: int) -> None:
    buffer.push_image(camera, frame(value), T + at_ms * MS, T + at_ms * MS)


def filled(odd, without: str = '', allow_missing: tuple[str, ...] = ()) -> ObservationBuffer:
    """Return a buffer which has all that an observation at T needs, but for one stream."""
    buffer = ObservationBuffer(odd, allow_missing)
    if without != 'head':
        push_frame(buffer, 'head', 0, 1)
    if without != 'right_wrist':
        push_frame(buffer, 'right_wrist', -10, 2)
    if without != 'arms':
        push_arms(buffer, -10, 0.0, 10.0, 1.0)
        push_arms(buffer, 10, 2.0, 30.0, 1.0)
    if without != 'claws':
        push_claws(buffer, 0, 0.25, 0.75)
    return buffer


def test_joints_of_all_topics_are_interpolated_at_t_ref(odd):
    assert filled(odd).observe(T, 'go').state.tolist() == [1.0, 20.0, 0.25, 1.0, 0.75]


def test_joints_are_weighted_by_their_distance_in_time(odd):
    buffer = filled(odd, without='arms')
    push_arms(buffer, -30, 0.0, 0.0, 0.0)
    push_arms(buffer, 10, 4.0, 8.0, -4.0)
    assert buffer.observe(T, 'go').state[ARMS].tolist() == [3.0, 6.0, -3.0]


def test_the_samples_nearest_to_t_ref_count(odd):
    buffer = filled(odd, without='arms')
    for at_ms, value in ((-50, 9.0), (-10, 1.0), (10, 3.0), (50, 9.0)):
        push_arms(buffer, at_ms, value, value, value)
    assert buffer.observe(T, 'go').state[0] == 2.0


def test_a_wrist_frame_is_the_nearest_not_after_t_ref(odd):
    buffer = filled(odd, without='right_wrist')
    for at_ms in (-40, -7, 1):
        push_frame(buffer, 'right_wrist', at_ms, 100 + at_ms)
    observation = buffer.observe(T, 'go')
    assert observation.images['right_wrist'].max() == 93
    assert observation.image_stamps_ns == {'head': T, 'right_wrist': T - 7 * MS}


def test_an_observation_carries_its_instruction_and_time(odd):
    observation = filled(odd).observe(T, 'fold')
    assert (observation.instruction, observation.t_ref_ns) == ('fold', T)


MISSING = {
    'head': 'camera head: no frame at or before t_ref',
    'right_wrist': 'camera right_wrist: no frame at or before t_ref',
    'arms': '/odd/joint_states: no message yet',
    'claws': '/odd/claw_states: no message yet',
}


@pytest.mark.parametrize('stream', MISSING)
def test_a_stream_which_was_never_received_is_missing(odd, stream: str):
    with pytest.raises(MissingObservation, match=f'^{MISSING[stream]}$'):
        filled(odd, without=stream).observe(T, 'go')


def test_t_ref_is_the_stamp_of_a_head_frame(odd):
    with pytest.raises(MissingObservation, match='camera head: no frame with the stamp t_ref'):
        filled(odd).observe(T + 1, 'go')


def test_joints_are_missing_until_one_sample_follows_t_ref(odd):
    buffer = filled(odd, without='arms')
    push_arms(buffer, -1, 0.0, 0.0, 0.0)
    with pytest.raises(MissingObservation, match='/odd/joint_states: no sample at or after t_ref'):
        buffer.observe(T, 'go')


def test_joints_are_missing_where_all_samples_follow_t_ref(odd):
    buffer = filled(odd, without='arms')
    push_arms(buffer, 1, 0.0, 0.0, 0.0)
    with pytest.raises(
        MissingObservation, match='/odd/joint_states: no sample at or before t_ref'
    ):
        buffer.observe(T, 'go')


def test_a_stale_wrist_frame_is_told_with_age_and_limit(odd):
    buffer = filled(odd, without='right_wrist')
    push_frame(buffer, 'right_wrist', -201, 2)
    with pytest.raises(
        StaleObservation, match=r'^camera right_wrist: 201 ms old at t_ref, limit 200 ms$'
    ):
        buffer.observe(T, 'go')


def test_stale_joints_are_told_with_age_and_limit(odd):
    buffer = filled(odd, without='arms')
    push_arms(buffer, -150, 0.0, 0.0, 0.0)
    push_arms(buffer, 5, 0.0, 0.0, 0.0)
    with pytest.raises(
        StaleObservation, match=r'^/odd/joint_states: 150 ms old at t_ref, limit 100 ms$'
    ):
        buffer.observe(T, 'go')


def test_joints_are_not_interpolated_across_a_silence(odd):
    buffer = filled(odd, without='arms')
    push_arms(buffer, -10, 0.0, 0.0, 0.0)
    push_arms(buffer, 4900, 1.0, 1.0, 1.0)
    with pytest.raises(StaleObservation, match='silent from 10 ms before to 4900 ms after t_ref'):
        buffer.observe(T, 'go')


def test_parts_as_old_as_the_limit_still_count(odd):
    buffer = filled(odd, without='right_wrist')
    push_frame(buffer, 'right_wrist', -200, 2)
    assert buffer.observe(T, 'go').image_stamps_ns['right_wrist'] == T - 200 * MS


@pytest.mark.parametrize('last_ms', [None, -201])
def test_a_wrist_camera_may_be_absent_or_old_where_the_policy_allows_it(odd, last_ms):
    buffer = filled(odd, without='right_wrist', allow_missing=('right_wrist',))
    if last_ms is not None:
        push_frame(buffer, 'right_wrist', last_ms, 2)
    assert list(buffer.observe(T, 'go').images) == ['head']


def test_a_wrist_camera_which_is_there_is_used_also_where_it_may_be_absent(odd):
    buffer = filled(odd, allow_missing=('right_wrist',))
    assert list(buffer.observe(T, 'go').images) == ['head', 'right_wrist']


def test_a_stream_which_repeats_its_stamp_is_frozen(odd):
    buffer = filled(odd)
    for _ in range(FROZEN_REPEATS - 1):
        push_claws(buffer, 0, 0.25, 0.75)
    buffer.observe(T, 'go')
    push_claws(buffer, 0, 0.25, 0.75)
    with pytest.raises(FrozenObservation, match=r'^claws: 5 messages with an unchanged stamp$'):
        buffer.observe(T, 'go')


def test_a_frozen_stream_which_goes_on_is_frozen_no_more(odd):
    buffer = filled(odd)
    for _ in range(FROZEN_REPEATS):
        push_frame(buffer, 'right_wrist', -10, 2)
    push_frame(buffer, 'right_wrist', -5, 3)
    assert buffer.observe(T, 'go').images['right_wrist'].max() == 3


def test_a_repeated_stamp_does_not_replace_the_first_sample(odd):
    buffer = filled(odd)
    push_frame(buffer, 'head', 0, 99)
    assert buffer.observe(T, 'go').images['head'].max() == 1


def test_after_clear_nothing_is_left_and_nothing_is_frozen(odd):
    buffer = filled(odd)
    for _ in range(FROZEN_REPEATS):
        push_frame(buffer, 'head', -5_000, 1)
    buffer.clear()
    assert buffer.newest_head_ns() is None
    with pytest.raises(MissingObservation):
        buffer.observe(T, 'go')


def test_samples_from_before_a_clock_step_back_do_not_block_those_after_it(odd):
    buffer = filled(odd)
    buffer.clear()
    push_frame(buffer, 'head', -1_000, 7)
    assert buffer.newest_head_ns() == T - 1_000 * MS


def test_streams_are_settled_when_all_have_reached_t_ref(odd):
    buffer = filled(odd)
    assert not buffer.is_settled(T)
    push_frame(buffer, 'right_wrist', 0, 3)
    assert buffer.is_settled(T)
    assert not buffer.is_settled(T + 1)


def test_a_camera_which_may_be_absent_and_is_keeps_nobody_waiting(odd):
    assert filled(odd, without='right_wrist', allow_missing=('right_wrist',)).is_settled(T)
    assert not filled(odd, without='right_wrist').is_settled(T)


def test_messages_are_counted_and_their_delay_is_known_from_the_first_on(odd):
    buffer = ObservationBuffer(odd)
    buffer.push_image('head', frame(0), T, T + 20 * MS)
    assert buffer.received() == {'head': 1, 'right_wrist': 0, 'arms': 0, 'claws': 0}
    assert buffer.offsets_s()['head'] == pytest.approx(0.020)
    buffer.push_image('head', frame(0), T + 1, T + 1 + 40 * MS)
    assert buffer.offsets_s()['head'] == pytest.approx(0.021)


EVENTS = {
    'head': [('head', at, 1) for at in (-200, -100, 0, 100, 200)],
    'right_wrist': [('right_wrist', at, 2) for at in (-130, -30, 70, 170)],
    'arms': [('arms', at, 0.1) for at in (-25, -15, -5, 5, 15)],
    'claws': [('claws', at, 0.2) for at in (-20, -10, 0, 10)],
}
NEEDED = {'head': 3, 'right_wrist': 2, 'arms': 4, 'claws': 3}  # the events up to and around T


def push(buffer: ObservationBuffer, stream: str, at_ms: int, value: float) -> None:
    if stream in ('head', 'right_wrist'):
        push_frame(buffer, stream, at_ms, 100 + at_ms // 5)
    elif stream == 'arms':
        push_arms(buffer, at_ms, value * at_ms, value, at_ms)
    else:
        push_claws(buffer, at_ms, value, at_ms)


@settings(max_examples=60, deadline=None)
@given(
    order=st.permutations([name for name, events in EVENTS.items() for _ in events]),
    later=st.fixed_dictionaries({k: st.integers(NEEDED[k], len(EVENTS[k])) for k in EVENTS}),
)
def test_order_of_arrival_and_later_samples_do_not_change_an_observation(odd, order, later):
    exact = ObservationBuffer(odd)
    for stream, events in EVENTS.items():
        for event in events[: NEEDED[stream]]:
            push(exact, *event)
    mixed = ObservationBuffer(odd)
    pending = {stream: list(events[: later[stream]]) for stream, events in EVENTS.items()}
    for stream in order:
        if pending[stream]:
            push(mixed, *pending[stream].pop(0))
    assert mixed.observe(T, 'go').digest == exact.observe(T, 'go').digest


def observation(**changes) -> Observation:
    known = Observation(T, {'head': frame(1)}, {'head': T}, np.array([0.1, 0.2]), 'go')
    return replace(known, **changes)


def test_equal_observations_have_equal_digests():
    copied = observation(images={'head': frame(1)[:, ::-1]}, state=np.array([0.1, 9, 0.2])[::2])
    assert copied.digest == observation().digest


@pytest.mark.parametrize(
    'changes',
    [
        {'t_ref_ns': T + 1},
        {'images': {'head': frame(2)}},
        {'images': {}},
        {'image_stamps_ns': {'head': T - 1}},
        {'state': np.array([0.1, np.nextafter(0.2, 1)])},
        {'instruction': 'stop'},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_any_other_value_gives_another_digest(changes: dict):
    assert observation(**changes).digest != observation().digest


def test_pushing_and_observing_may_run_at_once(odd):
    buffer = filled(odd)
    faults: list[BaseException] = []
    done = threading.Event()

    def produce(stream: str) -> None:
        try:
            for at_ms in range(20, 420):
                push(buffer, stream, at_ms if stream != 'head' else 20, 0.1)
        except Exception as error:
            faults.append(error)

    def ask() -> None:
        while not done.is_set():
            try:
                buffer.offsets_s(), buffer.received(), buffer.is_settled(T)
                buffer.observe(T, 'go')
            except (MissingObservation, FrozenObservation):
                pass
            except Exception as error:
                faults.append(error)

    asking = threading.Thread(target=ask)
    threads = [threading.Thread(target=produce, args=(stream,)) for stream in EVENTS]
    for thread in (asking, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    asking.join()
    assert not faults
    assert sum(buffer.received().values()) == 4 * 400 + 5


def test_a_step_of_the_ros_clock_is_told_with_its_size_and_direction():
    watch = ClockWatch(max_step_s=0.1)
    watch.check(1_000 * MS, 0)
    watch.check(1_101 * MS, 10 * MS)  # 91 ms apart
    with pytest.raises(ClockStepped, match=r'^the ROS clock stepped by -0.500 s, limit 0.1 s$'):
        watch.check(611 * MS, 20 * MS)


def test_after_a_step_of_the_clock_it_is_compared_anew():
    watch = ClockWatch()
    watch.check(0, 0)
    with pytest.raises(ClockStepped):
        watch.check(1_000 * MS, 0)
    watch.check(1_010 * MS, 10 * MS)


def test_a_slow_drift_of_the_clock_is_followed():
    watch = ClockWatch()
    for tick in range(100):
        watch.check(tick * 60 * MS, tick * 10 * MS)


def seen(at_ms: int, value: int) -> Observation:
    stamp = T + at_ms * MS
    return Observation(stamp, {'head': frame(value)}, {'head': stamp}, np.zeros(1), '')


def test_a_camera_with_new_stamps_and_old_pixels_is_frozen():
    watch = FrozenWatch(after_s=0.5)
    watch.check(seen(0, 1))
    watch.check(seen(500, 1))
    with pytest.raises(FrozenObservation, match=r'^camera head: the same pixels for 0.60 s$'):
        watch.check(seen(600, 1))


def test_a_camera_whose_pixels_change_again_is_frozen_no_more():
    watch = FrozenWatch(after_s=0.5)
    watch.check(seen(0, 1))
    with pytest.raises(FrozenObservation):
        watch.check(seen(600, 1))
    watch.check(seen(700, 2))
    watch.check(seen(1_200, 2))
