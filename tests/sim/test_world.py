# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What both worlds promise, and what only physics can: fingers that hold a block."""

import os
import subprocess
import sys

import numpy as np
import pytest

from lingbot_policy.robot import load_robot, robot_names
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import plan_handover
from lingbot_policy.sim.world import World


def _settle(world, seconds: float = 1.0) -> None:
    for _ in range(round(seconds * 50)):
        world.step(0.02)


def test_a_reset_starts_at_home_with_nothing_reached(any_world, robot):
    any_world.command(robot.home + 0.3)
    _settle(any_world)
    any_world.reset(3)
    np.testing.assert_allclose(any_world.positions(), robot.home, atol=1e-9)
    assert any_world.time_s == 0.0
    assert any_world.progress() == 0.0
    assert not any_world.success()


def test_the_same_seed_lays_the_block_at_the_same_place(any_world):
    any_world.reset(5)
    first = any_world.block_position()
    any_world.reset(6)
    other = any_world.block_position()
    any_world.reset(5)
    np.testing.assert_array_equal(any_world.block_position(), first)
    assert np.abs(other - first).max() > 0.005


def test_a_command_is_tracked_by_every_joint(any_world, robot):
    any_world.reset(0)
    target = robot.home + 0.12 * (robot.upper - robot.lower)
    target = np.where(target > robot.upper, robot.home - 0.2, target)
    any_world.command(target)
    _settle(any_world, 2.0)
    np.testing.assert_allclose(any_world.positions(), target, atol=0.02)
    np.testing.assert_allclose(any_world.velocities(), 0.0, atol=0.02)


def test_a_command_beyond_the_limits_stops_at_the_limits(any_world, robot):
    any_world.reset(0)
    any_world.command(np.full(robot.dof, 10.0))
    _settle(any_world, 3.0)
    assert (any_world.positions() <= robot.upper + 0.02).all()
    assert (any_world.positions() >= robot.lower - 0.02).all()


def test_no_joint_moves_faster_than_its_motor(any_world, robot):
    any_world.reset(0)
    any_world.command([-1, 1.2, -1.2, 1, 1, 1, 0] * 2)  # away from the table
    fastest = np.zeros(robot.dof)
    for _ in range(50):
        any_world.step(0.02)
        fastest = np.maximum(fastest, np.abs(any_world.velocities()))
    assert fastest.max() > 0.5
    assert (fastest <= 1.15 * np.where(robot.is_gripper, robot.max_velocity, 3.0)).all()


@pytest.mark.parametrize('bad', [np.zeros(3), np.full(14, np.nan)], ids=['shape', 'nan'])
def test_a_broken_command_is_refused(any_world, bad):
    with pytest.raises(ValueError, match='expected \\(14,\\) finite'):
        any_world.command(bad)


def test_steps_shorter_than_the_physics_step_add_up(world):
    world.reset(0)
    for _ in range(1000):
        world.step(0.001)
    assert world.time_s == pytest.approx(1.0, abs=0.005)


def test_pictures_are_contiguous_rgb_and_never_twice_the_same(any_world, robot):
    any_world.reset(0)
    for camera in robot.cameras:
        first, second = any_world.render(camera), any_world.render(camera)
        assert first.shape == (240, 320, 3)
        assert first.dtype == np.uint8
        assert first.flags.c_contiguous
        difference = np.abs(first.astype(int) - second.astype(int))
        assert 1 <= difference.max() <= 6
        assert (difference > 0).mean() < 0.02


def test_the_head_picture_changes_where_the_block_moves(any_world):
    any_world.reset(1)
    before = any_world.render('head').astype(int)
    any_world.reset(2)
    changed = np.abs(any_world.render('head').astype(int) - before).max(axis=2) > 20
    assert 50 < changed.sum() < 0.2 * changed.size


def test_an_unknown_camera_or_task_is_named(any_world, robot):
    with pytest.raises(ValueError, match="no camera 'rear'; known: head, left_wrist"):
        any_world.render('rear')
    with pytest.raises(ValueError, match="no task 'fold'; known: handover"):
        type(any_world)(robot, task='fold')


def test_a_world_without_pictures_says_so(robot):
    with pytest.raises(ValueError, match='render=False'):
        World(robot, render=False).render('head')


def test_the_gripper_closes_on_the_block_and_lifts_it(robot):
    world = World(robot, seed=0, render=False)
    x, y, z = world.block_position()
    plan = plan_handover(robot, Block(x, y, 0.0), robot.home)
    grip = robot.slots('left')[1]
    highest = 0.0
    for target in plan[:150]:
        world.command(target)
        world.step(1 / 30)
        highest = max(highest, world.block_position()[2])
    assert highest > z + 0.05
    assert 0.40 < world.positions()[grip] < 0.50  # 36 mm of 80 mm
    assert world.progress() == pytest.approx(0.4)


@pytest.mark.parametrize('name', robot_names())
def test_every_robot_stands_still_at_home(name):
    robot = load_robot(name)
    world = World(robot, render=False)
    _settle(world, 0.5)
    np.testing.assert_allclose(world.positions(), robot.home, atol=0.02)


@pytest.mark.parametrize('value', ['bogus', 'glfw'])
def test_a_renderer_which_cannot_be_used_names_the_packages(value):
    code = (
        'from lingbot_policy.robot import load_robot\n'
        'from lingbot_policy.sim.world import World\n'
        "World(load_robot('agilex_cobot_magic'))"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ('DISPLAY', 'WAYLAND_DISPLAY')}
    environment |= {'MUJOCO_GL': value, 'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)}
    result = subprocess.run(
        [sys.executable, '-c', code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith('ValueError: ')
    for word in (f'MUJOCO_GL={value!r}', 'libegl1', 'libegl-mesa0', 'libgl1-mesa-dri'):
        assert word in last


def test_importing_the_simulation_does_not_load_mujoco():
    code = (
        'import lingbot_policy.sim.world, lingbot_policy.sim.stub, sys\n'
        "sys.exit('mujoco' in sys.modules)"
    )
    environment = os.environ | {'PYTHONPATH': os.pathsep.join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, '-c', code], env=environment).returncode == 0
