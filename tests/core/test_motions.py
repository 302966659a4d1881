# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The way home: smooth, within half of every limit, grippers still."""

import numpy as np
import pytest

from lingbot_policy.execution.motions import SHORTEST_S, WayHome
from lingbot_policy.robot import load_robot, robot_names


@pytest.mark.parametrize('name', robot_names())
def test_the_way_home_keeps_to_half_the_limits_of_every_robot(name):
    robot = load_robot(name)
    start = np.where(robot.home > (robot.lower + robot.upper) / 2, robot.lower, robot.upper)
    dt = 1.0 / robot.file.command_rate_hz
    way, path = WayHome(robot, start), [start]
    while (positions := way.advance(dt)) is not None:
        path.append(positions)
    path = np.array(path)
    velocity = np.diff(path, axis=0) / dt
    acceleration = np.diff(velocity, axis=0, prepend=0.0, append=0.0) / dt
    assert (np.abs(velocity) <= 0.5 * robot.max_velocity + 1e-9).all()
    assert (np.abs(np.diff(path, axis=0)) <= 0.5 * robot.step_limit + 1e-9).all()
    assert (np.abs(acceleration) <= 0.5 * robot.max_acceleration + 1e-6).all()
    arms = ~robot.is_gripper
    np.testing.assert_allclose(path[-1][arms], robot.home[arms], atol=1e-9)
    assert (path[:, robot.is_gripper] == start[robot.is_gripper]).all()


def test_a_short_way_takes_its_time(odd):
    assert WayHome(odd, odd.home + [0.001, 0, 0, 0, 0]).seconds == SHORTEST_S


def test_home_once_reached_it_asks_for_nothing(odd):
    way = WayHome(odd, odd.home)
    assert way.advance(2 * SHORTEST_S).tolist() == odd.home.tolist()
    assert way.advance(0.01) is None
