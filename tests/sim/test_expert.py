# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The scripted expert: within limits, with its eyes only, and successful."""

import numpy as np
import pytest

from lingbot_policy.backends.expert import ExpertPolicy
from lingbot_policy.observation import Observation
from lingbot_policy.policy import load_policy
from lingbot_policy.robot import load_robot, robot_names
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import OutOfReach, plan_handover, plan_sway
from lingbot_policy.sim.stub import KinematicWorld
from lingbot_policy.sim.world import World

RATE = 30


def observe(world) -> Observation:
    images = {name: world.render(name) for name in world.robot.cameras}
    stamp = round(world.time_s * 1e9)
    return Observation(
        stamp, images, dict.fromkeys(images, stamp), world.positions(), world.instruction
    )


def run(world, policy, seconds: float, every: int = 10, pause: range = range(0)) -> float | None:
    """Return when the task succeeded in s, replanning each ``every`` steps; None if it did not."""
    chunk, step = None, 0
    for tick in range(round(seconds * RATE)):
        if tick % every == 0:
            chunk, step = policy.infer(observe(world)), 0
        if tick not in pause:
            world.command(chunk.positions[min(step, chunk.horizon - 1)])
            step += 1
        world.step(1 / RATE)
        if world.success():
            return world.time_s
    return None


@pytest.mark.parametrize('seed', [0, 7, 13])
def test_the_expert_hands_the_block_over_within_12_s(world, robot, seed):
    world.reset(seed)
    assert run(world, ExpertPolicy.load(robot), 12.0) < 12.0
    assert world.progress() == 1.0


def test_the_expert_takes_the_block_it_is_told_to(robot):
    world = World(robot, task='handover_two')
    asked = set()
    for seed in (0, 1, 2, 3):
        world.reset(seed)
        if world.instruction in asked:
            continue
        asked.add(world.instruction)
        assert run(world, ExpertPolicy.load(robot), 13.0) is not None
    assert len(asked) == 2


def test_a_pause_does_not_make_the_expert_skip_steps(world, robot):
    world.reset(4)
    assert run(world, ExpertPolicy.load(robot), 18.0, pause=range(100, 190)) > 12.0


def test_without_physics_the_same_policy_succeeds(robot):
    world = KinematicWorld(robot, seed=2)
    assert run(world, load_policy('expert', robot), 12.0) is not None


@pytest.mark.parametrize('seed', range(5))
def test_the_plan_stays_within_limits_and_is_smooth(robot, seed):
    x, y, yaw = np.random.default_rng(seed).uniform([0.28, 0.12, -0.15], [0.38, 0.28, 0.15])
    plan = plan_handover(robot, Block(x, y, yaw), robot.home)
    speed = np.diff(plan, axis=0) * RATE
    assert (plan >= robot.lower - 1e-9).all() and (plan <= robot.upper + 1e-9).all()
    assert (np.abs(speed) <= 0.81 * robot.max_velocity).all()
    assert np.abs(np.diff(speed, axis=0) * RATE / robot.max_acceleration).max() <= 1.0
    np.testing.assert_allclose(plan[-1], robot.home, atol=1e-9)
    assert len(plan) < 16 * RATE


def test_a_block_out_of_reach_is_refused(robot):
    with pytest.raises(OutOfReach, match='left arm cannot reach'):
        plan_handover(robot, Block(0.9, 0.3, 0.0), robot.home)


@pytest.mark.parametrize('name', robot_names())
def test_the_sway_is_gentle_on_every_robot(name):
    robot = load_robot(name)
    plan = plan_sway(robot, robot.home)
    assert (plan >= robot.lower - 1e-9).all() and (plan <= robot.upper + 1e-9).all()
    rate = robot.file.policy_rate_hz
    assert (np.abs(np.diff(plan, axis=0)) * rate <= 0.81 * robot.max_velocity).all()
    assert np.ptp(plan, axis=0).max() > 0.05


def test_while_the_block_is_not_seen_the_expert_holds(robot):
    policy = ExpertPolicy.load(robot)
    empty = {'head': np.full((240, 320, 3), 120, np.uint8)}
    state = robot.home + 0.01
    chunk = policy.infer(Observation(0, empty, {'head': 0}, state, 'hand the red block over'))
    np.testing.assert_array_equal(chunk.positions, np.tile(state, (50, 1)))
    world = KinematicWorld(robot)
    assert np.ptp(policy.infer(observe(world)).positions, axis=0).max() > 0.1


def test_a_robot_moved_by_hand_is_planned_for_anew(robot):
    world = KinematicWorld(robot)
    policy = ExpertPolicy.load(robot)
    policy.infer(observe(world))
    moved = robot.home + np.where(robot.is_gripper, 0.0, 0.6)
    world.place(np.clip(moved, robot.lower, robot.upper))
    world.step(0.1)
    chunk = policy.infer(observe(world))
    np.testing.assert_allclose(chunk.positions[0], world.positions(), atol=0.05)


def test_a_state_with_a_hole_is_refused(robot):
    state = np.full(robot.dof, np.nan)
    with pytest.raises(ValueError, match='expected 14 finite'):
        ExpertPolicy.load(robot).infer(Observation(0, {}, {}, state, ''))
