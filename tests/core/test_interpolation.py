# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Curves between samples: through every sample, smooth in velocity, never beyond."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from lingbot_policy.execution.interpolation import Trajectory

SAMPLES = st.lists(
    st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=2), min_size=2, max_size=12
).map(np.array)


def curve(*samples: float, **changes) -> Trajectory:
    values = np.array(samples, dtype=float)[:, None]
    return Trajectory(np.arange(len(samples), dtype=float), values, **changes)


def test_it_goes_through_every_sample():
    trajectory = curve(0.0, 2.0, -1.0, -1.0, 5.0)
    found = [trajectory.at(float(i))[0].item() for i in range(5)]
    assert found == pytest.approx([0.0, 2.0, -1.0, -1.0, 5.0])


def test_a_straight_motion_stays_straight():
    trajectory = curve(0.0, 1.0, 2.0, 3.0)
    positions, velocities = trajectory.at(1.3)
    assert (positions.item(), velocities.item()) == (pytest.approx(1.3), pytest.approx(1.0))


def test_beyond_its_ends_it_stands_still_at_them():
    trajectory = curve(1.0, 2.0)
    assert [v.item() for v in trajectory.at(-0.1)] == [1.0, 0.0]
    assert [v.item() for v in trajectory.at(1.1)] == [2.0, 0.0]


def test_a_motion_that_is_continued_keeps_its_velocity():
    assert curve(0.0, 1.0, 2.0, start_velocity=np.array([0.4])).at(0.0)[1].item() == 0.4


def test_a_velocity_that_leads_beyond_the_samples_is_limited():
    away = curve(0.0, 1.0, 2.0, start_velocity=np.array([-0.4]))
    too_fast = curve(0.0, 1.0, 2.0, start_velocity=np.array([9.0]))
    assert [t.at(0.0)[1].item() for t in (away, too_fast)] == [0.0, 3.0]


def test_many_places_at_once_give_what_each_gives():
    trajectory = curve(0.0, 2.0, -1.0, 4.0)
    places = np.linspace(-0.5, 3.5, 41)
    one_by_one = np.array([trajectory.at(place)[0] for place in places])
    np.testing.assert_allclose(trajectory.sampled(places), one_by_one, atol=1e-12)


def test_what_it_returns_is_the_callers_own():
    trajectory = curve(1.0, 2.0)
    trajectory.at(-1.0)[0][:] = 9.0
    assert trajectory.at(-1.0)[0].item() == 1.0


@settings(max_examples=200, deadline=None)
@given(samples=SAMPLES, first=st.floats(0.05, 1.0), velocity=st.floats(-20.0, 20.0))
def test_it_is_smooth_and_between_two_samples_never_beyond_them(samples, first, velocity):
    knots = np.concatenate([[0.0], first + np.arange(len(samples) - 1)])
    trajectory = Trajectory(knots, samples, np.full(2, velocity))
    fine = np.unique(np.concatenate([knots, np.linspace(0.0, knots[-1], 200)]))
    found = [trajectory.at(place) for place in fine]
    positions = np.array([each[0] for each in found])
    piece = np.clip(np.searchsorted(knots, fine, side='right') - 1, 0, len(samples) - 2)
    ends = samples[piece], samples[piece + 1]
    assert (positions >= np.minimum(*ends) - 1e-9).all()
    assert (positions <= np.maximum(*ends) + 1e-9).all()
    for knot in knots[1:-1]:
        before, after = trajectory.at(knot - 1e-9)[1], trajectory.at(knot)[1]
        scale = 1.0 + np.abs(samples).max() / first
        assert np.abs(before - after).max() <= 1e-5 * scale
