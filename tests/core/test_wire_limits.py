# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a simulated `odd` finds wrong with the commands it is sent."""

from dataclasses import replace
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


def test_rounded_wires_may_be_off_by_the_rounding(odd):
    limits = WireLimits(odd, 'claws')
    # One stroke is 999 and -99; per tick 0.01 and 0.02 of it may be moved, rounded at both ends.
    limits.check(Msg(data=[1, 100]), 0)
    limits.check(Msg(data=[11, 98]), 10 * MS)
    assert faults(limits) == []
    limits.check(Msg(data=[41, 98]), 20 * MS)  # without a stamp: perhaps sent 20 ms earlier
    assert faults(limits) == []
    limits.check(Msg(data=[74, 98]), 30 * MS)
    assert faults(limits) == ['step']


@pytest.mark.parametrize('data', [[0, 50], [1001, 50], [500, 101], [500, 0]])
def test_a_reversed_gripper_has_the_same_two_ends(odd, data: list[int]):
    limits = WireLimits(odd, 'claws')
    limits.check(Msg(data=data), 0)
    assert faults(limits) == ['position']


def test_a_slower_topic_may_move_as_far_as_in_the_commands_between(odd):
    topics = odd.file.command_topics
    slower = {**topics, 'claws': topics['claws'].model_copy(update={'max_rate_hz': 25})}
    limits = WireLimits(replace(odd, file=odd.file.model_copy(update={'command_topics': slower})),
                        'claws')  # fmt: skip
    limits.check(Msg(data=[1, 100]), 0)
    limits.check(Msg(data=[41, 92]), 30 * MS)  # 4 ticks of it, though it came early
    assert faults(limits) == []
    limits.check(Msg(data=[104, 92]), 70 * MS)  # 6 ticks: 20 ms more, as it has no stamp
    assert faults(limits) == ['step']
