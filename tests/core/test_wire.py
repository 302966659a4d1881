# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers between the wire and the inside, without ROS."""

from types import SimpleNamespace as Msg

import numpy as np
import pytest

from lingbot_policy.wire import command_maps, JointMap, read_field, state_maps

FIRST = np.array([0])


def test_names_are_found_in_whatever_order_they_come(odd):
    left, right = state_maps(odd, 'arms')
    msg = Msg(name=['l2', 'other', 'r1', 'l1'], position=[180.0, 9.0, 0.5, -90.0])
    assert left.slots.tolist() == [0, 1]
    assert left.read(msg, 'here') == pytest.approx([-np.pi / 2, np.pi])
    assert right.slots.tolist() == [3]
    assert right.read(msg, 'here') == pytest.approx([0.5])


def test_both_ends_of_both_grippers_of_one_message_are_0_and_1(odd):
    left, right = state_maps(odd, 'claws')

    def stroke(left_mm: float, right_mm: float) -> list[float]:
        poses = [Msg(position=Msg(x=left_mm)), Msg(position=Msg(x=right_mm))]
        return [gripper.read(Msg(poses=poses), 'here')[0] for gripper in (left, right)]

    assert stroke(0.0, 120.0) == [0.0, 0.0]
    assert stroke(70.0, 35.0) == [1.0, 1.0]
    assert stroke(35.0, 77.5) == [0.5, 0.5]


def test_each_topic_carries_its_own_joints(odd):
    carried = {
        key: [m.slots.tolist() for m in command_maps(odd, key)]
        for key in ('left', 'right', 'claws')
    }
    assert carried == {'left': [[0, 1]], 'right': [[3]], 'claws': [[2], [4]]}


def test_a_path_leads_through_messages_and_lists():
    msg = Msg(end_state=[Msg(position=0.0), Msg(position=7.0)])
    assert read_field(msg, 'end_state[1].position', 'here') == 7.0


def test_a_path_which_leads_nowhere_names_the_missing_part():
    with pytest.raises(ValueError, match=r"here: SimpleNamespace has no field 'pos' of 'a\.pos'"):
        read_field(Msg(a=Msg(position=1)), 'a.pos', 'here')


def test_a_list_which_is_too_short_is_told_with_both_lengths():
    with pytest.raises(ValueError, match=r'here: a\[2\]\.b needs a\[2\], found 1'):
        read_field(Msg(a=[Msg(b=1)]), 'a[2].b', 'here')


def test_missing_names_are_listed_with_those_found(odd):
    left, _ = state_maps(odd, 'arms')
    with pytest.raises(ValueError, match=r"here: JointState lacks \['l2'\]; found names \['l1'\]"):
        left.read(Msg(name=['l1'], position=[0.0]), 'here')


def test_names_without_positions_are_refused(odd):
    left, _ = state_maps(odd, 'arms')
    with pytest.raises(ValueError, match=r'JointState lacks positions; .* with 1 positions'):
        left.read(Msg(name=['l1', 'l2'], position=[0.0]), 'here')


def test_too_few_values_are_told_with_both_numbers():
    joint = JointMap(np.array([0, 1]), 'position', (0, 6), None, 1.0, 0.0)
    with pytest.raises(ValueError, match='here: position has 6 values, expected at least 7'):
        joint.read(Msg(position=[0.0] * 6), 'here')


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_a_value_which_is_no_number_is_refused(value: float):
    joint = JointMap(FIRST, 'position', (0,), None, 1.0, 0.0)
    with pytest.raises(ValueError, match=r'here: position holds .*, expected numbers'):
        joint.read(Msg(position=[value]), 'here')


def test_a_single_number_is_not_read_by_index():
    joint = JointMap(FIRST, 'width', (0,), None, 1.0, 0.0)
    with pytest.raises(ValueError, match='here: width holds one number; see index'):
        joint.read(Msg(width=0.5), 'here')


def test_a_list_is_not_read_as_a_single_number():
    joint = JointMap(FIRST, 'width', None, None, 1.0, 0.0)
    with pytest.raises(ValueError, match='here: width holds 2 values; see index'):
        joint.read(Msg(width=[0.5, 0.6]), 'here')


def test_the_wire_is_rounded_before_it_is_clamped():
    grip = JointMap(FIRST, 'data', (0,), None, 999.0, 1.0, integer=True, bounds=(1, 1000))
    wire = [grip.to_wire(np.array([x]))[0] for x in (-0.2, 0.0, 0.0016, 1.0, 1.2)]
    assert wire == [1, 1, 3, 1000, 1000]


def test_a_map_there_and_back_changes_nothing(odd):
    positions = np.array([0.1, -0.2, 0.3, 0.4, 0.5])
    for m in (*command_maps(odd, 'left'), *command_maps(odd, 'right')):
        wire = m.to_wire(positions)
        np.testing.assert_allclose((wire - m.offset) / m.scale, positions[m.slots], atol=1e-15)
