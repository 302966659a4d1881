# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Every robot has a bundle in the package which fits it, and a model that answers in bounds."""

import numpy as np
import pytest

from lingbot_policy.backends.lingbot import default_bundle, LingBotPolicy
from lingbot_policy.bundle import load_bundle
from lingbot_policy.observation import Observation
from lingbot_policy.robot import load_robot, robot_names
from lingbot_policy.sim.world import World


@pytest.mark.parametrize('name', robot_names())
def test_the_bundle_of_the_package_moves_its_robot_within_bounds(name):
    robot = load_robot(name)
    policy = LingBotPolicy.load(robot, device='cpu', precision='reference')
    world = World(robot, seed=0)
    world.step(0.1)
    images = {camera: world.render(camera) for camera in robot.cameras}
    state = world.positions()
    world.close()
    seen = Observation(0, images, dict.fromkeys(images, 0), state, world.instruction)
    chunk = policy.infer(seen)
    assert chunk.positions.shape == (50, robot.dof)
    assert chunk.rate_hz == robot.file.policy_rate_hz
    assert (chunk.positions > robot.lower - 0.3).all()
    assert (chunk.positions < robot.upper + 0.3).all()
    arms = ~robot.is_gripper
    assert np.abs(chunk.positions[0, arms] - state[arms]).max() < 0.3  # it starts where it is
    assert np.abs(chunk.positions[-1, arms] - state[arms]).max() > 0.2  # and goes somewhere


def test_robots_share_one_copy_of_the_weights():
    folders = [default_bundle(load_robot(name)) for name in robot_names()]
    files = [path for path in folders[0].parent.rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 16_000_000
    sharing = [load_bundle(folder) for folder in folders if 'agilex' not in folder.name]
    assert {bundle.model_folder.name for bundle in sharing} == {'tiny_shared'}
    assert all((bundle.model_folder / 'README.md').is_file() for bundle in sharing)
