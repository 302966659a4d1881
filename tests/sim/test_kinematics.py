# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The arm's chain: by hand at two postures, against MuJoCo, and back."""

import numpy as np
import pytest

from lingbot_policy.kinematics import arm_chain, pointing_down, table_height
from lingbot_policy.sim.cameras import head_view
from lingbot_policy.sim.detect import colour_asked_for, find_block
from lingbot_policy.sim.world import World


def test_at_zero_the_arm_lies_folded_back(robot):
    position, _ = arm_chain(robot, 'left').tool_pose(np.zeros(6))
    np.testing.assert_allclose(position, [0.165, 0.30, 0.123], atol=1e-12)
    assert table_height(robot) == 0.0


def test_an_upright_upper_arm_and_level_forearm_reach_forward(robot):
    joints = np.array([0, np.pi / 2, -np.pi / 2, 0, 0, 0])
    position, rotation = arm_chain(robot, 'right').tool_pose(joints)
    np.testing.assert_allclose(position, [0.45, -0.30, 0.408], atol=1e-12)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)


def test_the_chain_agrees_with_mujoco(world, robot):
    rng = np.random.default_rng(0)
    for _ in range(5):
        joints = rng.uniform(robot.lower, robot.upper)
        world.place(joints)
        world._mujoco.mj_forward(world._model, world._data)
        for side in ('left', 'right'):
            position, rotation = arm_chain(robot, side).tool_pose(joints[robot.slots(side)[0]])
            hand = world._data.body(f'{side}_hand')
            np.testing.assert_allclose(hand.xpos, position, atol=1e-9)
            np.testing.assert_allclose(hand.xmat.reshape(3, 3), rotation, atol=1e-9)


@pytest.mark.parametrize('side', ['left', 'right'])
def test_solving_a_pose_gives_joints_which_reach_it(robot, side):
    chain = arm_chain(robot, side)
    target = chain.base + [0.33, 0.05, 0.05]
    joints, error = chain.solve(target, pointing_down(0.2, 0.5), [0, 1.5, -1.2, 0, 0.5, 0])
    position, rotation = chain.tool_pose(joints)
    assert error < 1e-3
    np.testing.assert_allclose(position, target, atol=1e-3)
    np.testing.assert_allclose(rotation, pointing_down(0.2, 0.5), atol=5e-3)
    assert (joints >= chain.lower).all() and (joints <= chain.upper).all()


def test_a_projected_point_is_found_again_on_its_plane(robot):
    view = head_view(robot)
    points = np.array([[0.3, 0.1, 0.02], [0.4, -0.2, 0.02]])
    pixels = view.project(points, (320, 240))
    np.testing.assert_allclose(view.on_plane(pixels, (320, 240), 0.02), points, atol=1e-9)


@pytest.mark.parametrize('seed', range(4))
def test_a_block_is_found_within_half_a_centimetre(world, robot, seed):
    world.reset(seed)
    block = find_block(world.render('head'), robot, 'red')
    np.testing.assert_allclose([block.x, block.y], world.block_position()[:2], atol=0.005)
    assert abs(block.yaw - world.layout.blocks[0, 2]) < 0.05


def test_the_colour_in_the_instruction_picks_the_block(robot):
    world = World(robot, task='handover_two', seed=3)
    for index, colour in enumerate(('red', 'blue')):
        assert colour_asked_for(f'hand the {colour} block over') == colour
        block = find_block(world.render('head'), robot, colour)
        np.testing.assert_allclose([block.x, block.y], world.block_position(index)[:2], atol=0.005)
    assert find_block(world.render('head'), robot, 'yellow') is None
