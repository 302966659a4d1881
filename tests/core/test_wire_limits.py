# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated `odd` finds wrong with the commands it is sent."""

from types import SimpleNamespace as Msg

import numpy as np
import pytest

from lingbot_policy.sim.wire_limits import WireLimits

MS = 1_000_000
LEFT_STEP_DEG = np.rad2deg(0.01)


def left(l2_deg: float, l1_deg: float) -> Msg:
    return Msg(position=[l2_deg, l1_deg])


def faults(limits: WireLimits) -> list[str]:
    counts = limits.summary()
    return [name for name in ('malformed', 'position', 'step') if counts[name]]


def test_a_command_within_all_limits_is_no_violation_and_is_returned_as_internal_values(odd):
    limits = WireLimits(odd, 'left')
    slots, values = limits.check(left(90.0, -45.0), 0)
    assert slots.tolist() == [0, 1]
    assert values.tolist() == pytest.approx([-np.pi / 4, np.pi / 2])
    assert limits.summary() == {
        'messages': 1,
        'malformed': 0,
        'position': 0,
        'step': 0,
        'violations': 0,
    }


@pytest.mark.parametrize('position', [[0.0], [0.0, float('nan')]])
def test_a_command_which_cannot_be_read_is_malformed(odd, position: list[float]):
    limits = WireLimits(odd, 'left')
    assert limits.check(Msg(position=position), 0) is None
    assert limits.check(Msg(other=1), 0) is None
    assert limits.summary()['malformed'] == limits.summary()['violations'] == 2


@pytest.mark.parametrize(
    ('command', 'expected'),
    [
        (left(0.0, np.rad2deg(1.0)), []),
        (left(0.0, np.rad2deg(1.0) + 1e-6), ['position']),
        (left(np.rad2deg(-2.0), 0.0), []),
        (left(np.rad2deg(-2.0) - 1e-6, 0.0), ['position']),
    ],
)
def test_positions_are_judged_at_the_limits_of_the_wire(odd, command: Msg, expected: list[str]):
    limits = WireLimits(odd, 'left')
    limits.check(command, 0)
    assert faults(limits) == expected


@pytest.mark.parametrize(('share', 'expected'), [(1.0, []), (1.01, ['step']), (-1.01, ['step'])])
def test_steps_are_judged_in_the_unit_of_the_wire(odd, share: float, expected: list[str]):
    limits = WireLimits(odd, 'left')
    limits.check(left(0.0, 0.0), 0)
    limits.check(left(0.0, share * LEFT_STEP_DEG), 10 * MS)
    assert faults(limits) == expected


@pytest.mark.parametrize(('pause_ms', 'expected'), [(199, ['step']), (200, [])])
def test_after_a_pause_a_new_motion_begins_without_a_step(odd, pause_ms: int, expected: list[str]):
    limits = WireLimits(odd, 'left')
    limits.check(left(0.0, 0.0), 0)
    limits.check(left(0.0, 20.0), pause_ms * MS)
    assert faults(limits) == expected


def claws(odd, messages: list[tuple[int, int]]) -> list[str]:
    """Judge wire values of the first claw, which have no stamps, by their arrivals in ms."""
    limits = WireLimits(odd, 'claws')
    for at_ms, value in messages:
        limits.check(Msg(data=[value, 100]), at_ms * MS)
    return faults(limits)


# One stroke of the first claw is 999: 0.01 of it may be moved in each tick of 10 ms.
def test_without_stamps_a_burst_after_a_stall_is_no_step(odd):
    assert claws(odd, [(0, 1), (100, 10), (100, 70), (101, 110)]) == []


def test_without_stamps_a_leap_is_a_step(odd):
    assert claws(odd, [(0, 1), (10, 300)]) == ['step']


def test_without_stamps_too_high_a_speed_adds_up_to_a_step(odd):
    allowed = [(10 * tick, 1 + round(9.9 * tick)) for tick in range(100)]
    assert claws(odd, allowed) == []
    fast = [(10 * tick, 1 + 18 * tick) for tick in range(50)]
    assert claws(odd, fast) == ['step']


@pytest.mark.parametrize('data', [[0, 50], [1001, 50], [500, 101], [500, 0]])
def test_a_reversed_gripper_has_the_same_two_ends(odd, data: list[int]):
    limits = WireLimits(odd, 'claws')
    limits.check(Msg(data=data), 0)
    assert faults(limits) == ['position']
