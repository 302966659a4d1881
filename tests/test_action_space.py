# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Layouts of the model's slots; the tables below were written by hand from upstream's text."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from lingbot_policy.action_space import action_space, slot_table
from lingbot_policy.normalization import NormStats
from lingbot_policy.robot import load_robot, parse_robot, Robot, robot_names

LAYOUTS = ('pretrain', 'concat_groups', 'raw_14')
UPSTREAM = np.load(Path(__file__).parent / 'data' / 'norm' / 'upstream.npz')


def robot_with(left: int, right: int) -> Robot:
    """Return the AgileX with arms of other lengths."""
    raw = yaml.safe_load(load_robot('agilex_cobot_magic').text)
    for side, dof in (('left', left), ('right', right)):
        arm = raw['arms'][side]
        for key, value in (
            ('lower', -2.0),
            ('upper', 2.0),
            ('motor_max_velocity', 3.0),
            ('safe_max_velocity', 1.5),
            ('max_acceleration', 10.0),
            ('home', 0.0),
        ):
            arm[key] = [value] * dof
        arm['joints'] = [f'{side}_{number}' for number in range(dof)]
        arm['state']['index'] = arm['command']['index'] = list(range(dof))
        gripper = raw['grippers'][side]
        gripper['state']['index'] = gripper['command']['index'] = dof
        names = [f'joint{number}' for number in range(dof + 1)]
        raw['state_topics'][side]['names'] = raw['command_topics'][side]['names'] = names
        raw['command_topics'][side]['fill'] = {}
    return parse_robot(yaml.safe_dump(raw), 'other.yaml')


# Robot order: left arm, left gripper, right arm, right gripper.
TABLES = {
    ('pretrain', 6, 6): [0, 1, 2, 3, 4, 5, 14, 7, 8, 9, 10, 11, 12, 15],
    ('concat_groups', 6, 6): [0, 1, 2, 3, 4, 5, 14, 6, 7, 8, 9, 10, 11, 15],
    ('raw_14', 6, 6): [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13],
    ('pretrain', 7, 7): [0, 1, 2, 3, 4, 5, 6, 14, 7, 8, 9, 10, 11, 12, 13, 15],
    ('concat_groups', 7, 7): [0, 1, 2, 3, 4, 5, 6, 14, 7, 8, 9, 10, 11, 12, 13, 15],
    ('raw_14', 7, 7): [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    ('pretrain', 7, 6): [0, 1, 2, 3, 4, 5, 6, 14, 7, 8, 9, 10, 11, 12, 15],
    ('concat_groups', 6, 7): [0, 1, 2, 3, 4, 5, 14, 6, 7, 8, 9, 10, 11, 12, 15],
    ('raw_14', 6, 7): [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
}


@pytest.mark.parametrize('case', TABLES, ids=lambda case: f'{case[0]}-{case[1]}+{case[2]}')
def test_every_entry_stands_where_the_table_says(case):
    layout, left, right = case
    assert action_space(robot_with(left, right), layout).slots.tolist() == TABLES[case]


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('arms', [(6, 6), (7, 7), (6, 7)])
def test_a_chunk_comes_back_bit_for_bit_and_padding_is_zero(layout, arms):
    space = action_space(robot_with(*arms), layout)
    chunk = np.random.default_rng(0).normal(size=(50, space.dof))
    slots = space.to_slots(chunk)
    assert slots.shape == (50, 75)
    assert np.array_equal(space.from_slots(slots), chunk)
    assert not slots[:, ~space.mask].any()
    assert space.mask.sum() == space.dof


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('name', robot_names())
def test_every_robot_that_comes_with_the_package_fits_in_every_layout(name, layout):
    robot = load_robot(name)
    space = action_space(robot, layout)
    vector = np.arange(1.0, robot.dof + 1)
    assert np.array_equal(space.from_slots(space.to_slots(vector)), vector)
    if layout != 'raw_14':
        assert space.slots[robot.is_gripper].tolist() == [14, 15]


def test_raw_14_pads_as_upstream_did():
    space = action_space(robot_with(6, 6), 'raw_14')
    action = UPSTREAM['inputs.norm.robotwin_action'].astype(np.float32)
    assert np.array_equal(space.to_slots(action[0]), UPSTREAM['outputs.pad.state'])
    assert np.array_equal(space.to_slots(action), UPSTREAM['outputs.pad.action'])


def test_relative_arms_lose_the_current_state_at_every_step_and_grippers_do_not():
    space = action_space(robot_with(6, 6), 'concat_groups')
    state = np.arange(14.0)
    targets = state + np.arange(3.0)[:, None]
    relative = space.to_relative(targets, state)
    assert relative[:, 0].tolist() == [0.0, 1.0, 2.0]
    assert relative[:, 6].tolist() == [6.0, 7.0, 8.0]
    assert relative[:, 13].tolist() == [13.0, 14.0, 15.0]
    assert np.array_equal(space.to_absolute(relative, state), targets)


def test_the_state_is_added_back_after_the_numbers_are_units_again():
    space = action_space(robot_with(6, 6), 'concat_groups')
    feature = {'mean': np.full(14, 0.5), 'std': np.full(14, 2.0)}
    normalizer = NormStats({'action': feature}, 's').normalizer('action', 14, 'meanstd')
    state, targets = np.full(14, 0.3), np.full((2, 14), 0.9)
    slots = space.to_slots(normalizer.normalize(space.to_relative(targets, state)))
    back = space.to_absolute(normalizer.denormalize(space.from_slots(slots)), state)
    np.testing.assert_allclose(back, targets, atol=1e-12)
    # 0.9 - 0.3 = 0.6 for an arm, 0.9 for a gripper, before mean 0.5 and std 2.
    np.testing.assert_allclose(slots[0, [0, 14]], [0.05, 0.2], atol=1e-6)


def test_arms_too_long_for_the_layout_are_refused():
    with pytest.raises(ValueError, match=r"arms of \{'left': 8\} joints.*7 slots"):
        action_space(robot_with(8, 6), 'pretrain')
    with pytest.raises(ValueError, match=r'15 arm joints.*14 slots'):
        action_space(robot_with(8, 7), 'concat_groups')


def test_an_unknown_layout_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r'known: pretrain, concat_groups, raw_14'):
        action_space(robot_with(6, 6), 'interleaved')


def test_a_vector_of_another_robot_is_refused():
    space = action_space(robot_with(6, 6), 'raw_14')
    with pytest.raises(ValueError, match=r'shape \(50, 16\), expected 14 robot entries'):
        space.to_slots(np.zeros((50, 16)))
    with pytest.raises(ValueError, match=r'expected 75 model slots'):
        space.from_slots(np.zeros((50, 14)))


def test_the_table_for_readers_names_slot_entry_and_joint():
    lines = slot_table(load_robot('agilex_cobot_magic'), 'concat_groups').splitlines()
    assert lines[2] == '| 0 | 0 | fl_joint1 |'
    assert lines[-1] == '| 15 | 13 | fr_gripper |'
    assert len(lines) == 16
