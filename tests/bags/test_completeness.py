# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0

from hypothesis import given
from hypothesis import strategies as st

from lingbot_policy.bags.completeness import Completeness


def count(numbers, written: int | None = None, gid: str = 'a'):
    completeness = Completeness()
    for number in numbers:
        completeness.receive('/x', gid, number)
    [counted] = completeness.report({'/x': len(numbers) if written is None else written})
    return counted


def test_an_unbroken_row_is_complete():
    counted = count([1, 2, 3])
    assert (counted.before, counted.published, counted.received, counted.lost) == (0, 3, 3, 0)
    assert counted.is_complete


def test_a_gap_is_lost():
    counted = count([1, 2, 5, 6])
    assert (counted.published, counted.received, counted.lost) == (6, 4, 2)
    assert not counted.is_complete
    assert str(counted) == '/x: 6 published, 4 received, 4 written, 2 lost'


def test_what_was_published_before_the_first_arrival_is_not_lost():
    counted = count([41, 42])
    assert (counted.before, counted.published, counted.lost) == (40, 2, 0)


def test_what_arrived_and_is_not_in_the_bag_makes_it_incomplete():
    counted = count([1, 2, 3], written=1)
    assert (counted.unwritten, counted.is_complete) == (2, False)


def test_a_restarted_publisher_begins_again_at_one_and_loses_nothing():
    counted = count([1, 2, 3, 1, 2])
    assert (counted.published, counted.received, counted.lost, counted.writers) == (5, 5, 0, 2)
    assert counted.certain


def test_a_gap_of_a_restarted_publisher_is_not_taken_for_the_first_ones_row():
    completeness = Completeness()
    for gid, number in [('a', 1), ('a', 2), ('a', 3), ('b', 1), ('b', 4)]:
        completeness.receive('/x', gid, number)
    [counted] = completeness.report({'/x': 5})
    assert (counted.published, counted.lost, counted.writers) == (7, 2, 2)


def test_a_second_publisher_coming_and_going_leaves_the_first_ones_row_whole():
    completeness = Completeness()
    arrivals = [('a', 7), ('a', 8), ('', 9), ('', 1), ('', 10), ('', 2), ('a', 11), ('a', 12)]
    for gid, number in arrivals:
        completeness.receive('/x', gid, number)
    [counted] = completeness.report({'/x': 8})
    assert (counted.before, counted.published, counted.lost, counted.writers) == (6, 8, 0, 2)
    assert not counted.certain


@given(st.lists(st.sampled_from('ab'), min_size=1, max_size=60))
def test_two_publishers_at_once_without_loss_are_never_reported_lost(order):
    completeness, numbers = Completeness(), {'a': 0, 'b': 0}
    for writer in order:
        numbers[writer] += 1
        completeness.receive('/x', '', numbers[writer])
    [counted] = completeness.report({'/x': len(order)})
    assert (counted.published, counted.lost, counted.before) == (len(order), 0, 0)


@given(st.sets(st.integers(1, 200), min_size=1))
def test_published_is_the_span_of_one_writers_numbers(numbers):
    counted = count(sorted(numbers))
    assert counted.before == min(numbers) - 1
    assert counted.published == max(numbers) - min(numbers) + 1
    assert counted.lost == counted.published - len(numbers)
