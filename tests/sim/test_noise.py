# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A camera of a robot at rest goes on seeing noise, also behind the compression of its driver."""

from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2')
from builtin_interfaces.msg import Time

from lingbot_policy.decode import image_from_msg
from lingbot_policy.nodes.encode import picture_msg
from lingbot_policy.robot import load_robot
from lingbot_policy.sim.stub import KinematicWorld


@pytest.mark.parametrize('name', ['agilex_cobot_magic', 'realman_rs02', 'leju_kuavo4_pro'])
def test_no_frame_is_as_the_one_before(name):
    robot = load_robot(name)
    world = KinematicWorld(robot, image_size=(160, 120))
    for camera_name, camera in robot.cameras.items():
        frames = [
            image_from_msg(
                picture_msg(world.render(camera_name), camera, Time()), camera, camera_name, None
            )
            for _ in range(20)
        ]
        same = [np.array_equal(a, b) for a, b in pairwise(frames)]
        assert not any(same), camera_name


def test_the_noise_is_small():
    robot = load_robot('agilex_cobot_magic')
    worlds = [KinematicWorld(robot, seed=seed) for seed in (0, 0)]
    first, second = (world.render('left_wrist').astype(int) for world in worlds)
    assert (first == second).all()  # the same seed, the same noise
    away = np.abs(worlds[0].render('left_wrist').astype(int) - first)
    assert away.max() <= 6
    assert (away > 0).mean() < 0.02
