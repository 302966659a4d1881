# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The robot and the two worlds of the simulation tests."""

import pytest

from lingbot_policy.robot import load_robot
from lingbot_policy.sim.stub import KinematicWorld
from lingbot_policy.sim.world import World


@pytest.fixture(scope='session')
def robot():
    return load_robot('agilex_cobot_magic')


@pytest.fixture(scope='module', params=[World, KinematicWorld], ids=['mujoco', 'kinematic'])
def any_world(request, robot):
    world = request.param(robot, seed=0)
    yield world
    world.close()


@pytest.fixture(scope='module')
def world(robot):
    world = World(robot, seed=0)
    yield world
    world.close()
