# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The small bundle which comes with the package: whole, small, and it moves on purpose."""

import numpy as np
import pytest

from lingbot_policy.backends.lingbot import default_bundle, LingBotPolicy
from lingbot_policy.observation import Observation
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.world import World
from lingbot_training.tiny.evaluate import run_trial


@pytest.fixture(scope='module')
def robot():
    return load_robot('agilex_cobot_magic')


@pytest.fixture(scope='module')
def policy(robot):
    return LingBotPolicy.load(robot)


def see(world: World, instruction: str) -> Observation:
    images = {name: world.render(name) for name in world.robot.cameras}
    return Observation(0, images, dict.fromkeys(images, 0), world.positions(), instruction)


def test_the_bundle_is_small_enough_to_live_in_the_package(robot):
    files = [path for path in default_bundle(robot).rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 8_000_000
    assert (default_bundle(robot) / 'README.md').is_file()


def test_the_left_arm_goes_to_where_the_block_lies(robot, policy):
    """Blocks 14 cm apart need shoulders turned 0.4 rad apart."""
    world = World(robot, seed=0)
    arm, _ = robot.slots('left')
    ends = []
    for seed in (3, 10):
        world.reset(seed)
        chunk = policy.infer(see(world, world.instruction))
        assert np.abs(chunk.positions[-1, arm] - robot.home[arm]).max() > 0.5
        ends.append((world.block_position()[1], chunk.positions[-1, arm.start]))
    ends.sort()
    assert ends[1][0] - ends[0][0] > 0.1
    assert ends[1][1] - ends[0][1] > 0.2  # the shoulder turns further left


@pytest.mark.parametrize('seed', [0, 1])
def test_in_closed_loop_the_block_is_lifted(robot, policy, seed):
    world = World(robot, seed=seed)
    trial = run_trial(world, policy, seed, limit_s=8.0)
    world.close()
    assert trial.progress >= 0.4


def test_the_instruction_decides_which_block_the_hand_goes_to(robot, policy):
    world = World(robot, task='handover_two', seed=0)
    arm, _ = robot.slots('left')
    turns, places = {}, {}
    for index, colour in enumerate(('red', 'blue')):
        chunk = policy.infer(see(world, f'hand the {colour} block over and place it in the zone'))
        turns[colour] = chunk.positions[-1, arm.start]
        places[colour] = world.block_position(index)[1]
    assert abs(places['red'] - places['blue']) > 0.1
    assert (turns['red'] - turns['blue']) * (places['red'] - places['blue']) > 0.01
