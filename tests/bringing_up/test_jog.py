# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What a jog commands, and what it makes of the answer."""

import math

import numpy as np
import pytest

from lingbot_policy.commissioning.jog import (
    description,
    diagnose,
    JogSize,
    judge,
    plan_jog,
    Sighting,
    unexpected,
)
from lingbot_policy.robot import load_robot, robot_names

SIZE = JogSize()
ROBOT = load_robot('agilex_cobot_magic')
HALF = (ROBOT.lower + ROBOT.upper) / 2 - 0.01
J3, GRIP = 'fl_joint3', 'fr_gripper'


def answer(joint: str, share: float, by: str | None = None) -> str:
    """Diagnose a jog of ``joint`` which ``by`` answers by ``share`` of the commanded way."""
    jog = plan_jog(ROBOT, joint, HALF, SIZE)
    moved = np.zeros(ROBOT.dof)
    moved[ROBOT.joints.index(by or joint)] = share * jog.travel
    return diagnose(ROBOT, SIZE, jog, moved, jog.travel)


@pytest.mark.parametrize('name', robot_names())
def test_every_joint_of_every_robot_is_jogged_within_its_limits_by_3_degrees(name):
    robot = load_robot(name)
    for start in (robot.home, robot.lower, robot.upper):
        for index, joint in enumerate(robot.joints):
            jog = plan_jog(robot, joint, start, SIZE)
            times = np.linspace(0.0, jog.duration_s, 200)
            path = np.stack([jog.command(t) for t in times])
            assert (path >= robot.lower - 1e-9).all()
            assert (path <= robot.upper + 1e-9).all()
            assert np.ptp(path[:, index]) == pytest.approx(
                0.1 if robot.is_gripper[index] else math.radians(3.0)
            )
            others = np.delete(path, index, axis=1)
            assert (others == np.delete(start, index)).all()
            assert path[0].tolist() == start.tolist()
            np.testing.assert_allclose(path[-1], start, atol=1e-12)
            fastest = np.abs(np.diff(path[:, index])).max() / (times[1] - times[0])
            assert fastest == pytest.approx(0.02 * robot.max_velocity[index], rel=1e-6)


def test_a_joint_that_follows_is_sound():
    assert answer(J3, 1.0) == ''
    assert answer(J3, 0.8) == ''
    assert answer(GRIP, 1.0) == ''


@pytest.mark.parametrize(
    ('joint', 'share', 'by', 'said'),
    [
        (J3, 1.0, 'fl_joint4', 'order of the joints'),
        (J3, 1.0, 'fr_joint3', 'left and right are exchanged'),
        (J3, -1.0, None, 'sign of state or command is reversed'),
        (J3, 2.0, None, 'Units of state and command differ'),
        (J3, 0.4, None, 'Units of state and command differ'),
        (J3, math.pi / 180, None, 'in degrees where the robot file says rad'),
        (J3, 0.0, None, 'not enabled'),
        (GRIP, -1.0, None, 'polarity: open and closed of state or command'),
        (GRIP, 0.3, None, 'ends (closed, open)'),
        (GRIP, 1.0, 'fl_gripper', 'left and right are exchanged'),
    ],
)
def test_measured_against_commanded_tells_what_is_wrong(joint, share, by, said):
    assert said in answer(joint, share, by)


def test_arms_which_move_while_they_are_held_follow_wrong_commands():
    moved = np.zeros(ROBOT.dof)
    assert diagnose(ROBOT, SIZE, None, moved, 0.0) == ''
    moved[3] = 0.1
    said = diagnose(ROBOT, SIZE, None, moved, 0.0)
    assert 'fl_joint4 +5.73 degrees' in said
    assert 'unit, order or side' in said


def test_more_than_the_jog_is_unexpected_and_less_is_not():
    jog = plan_jog(ROBOT, J3, HALF, SIZE)
    for share, way in ((0.0, False), (1.0, False), (1.5, False), (1.8, True), (-0.8, True)):
        measured = HALF.copy()
        measured[jog.index] += share * jog.travel
        assert unexpected(ROBOT, SIZE, HALF, jog, measured) is way, share
    measured = HALF.copy()
    measured[3] += math.radians(2.1)
    assert unexpected(ROBOT, SIZE, HALF, jog, measured)
    assert unexpected(ROBOT, SIZE, HALF, None, measured)
    assert not unexpected(ROBOT, SIZE, HALF, None, HALF)


@pytest.mark.parametrize(
    ('seen', 'said'),
    [
        (Sighting('fl_joint3', True), ''),
        (Sighting('fl_joint3', False), 'positive and negative are exchanged in state and'),
        (Sighting('fl_joint4', True), 'order are exchanged in state and command alike'),
        (Sighting('fr_joint3', True), 'sides are exchanged in state and command alike'),
        (Sighting(''), 'the state does not come from this robot'),
    ],
)
def test_an_operator_sees_what_no_measurement_tells(seen, said):
    jog = plan_jog(ROBOT, J3, HALF, SIZE)
    assert jog.travel > 0
    found = judge(ROBOT, jog, seen)
    assert said in found
    assert bool(found) == bool(said)


def test_what_will_move_is_said_in_words():
    assert description(ROBOT, plan_jog(ROBOT, J3, HALF, SIZE)) == (
        'joint 3 of the left arm (fl_joint3) turns by +3.0 degrees, positive about its axis'
    )
    assert description(ROBOT, plan_jog(ROBOT, GRIP, ROBOT.home, SIZE)) == (
        'the right gripper (fr_gripper) closes by 10% of its stroke'
    )


def test_an_unknown_joint_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match='expected one of fl_joint1'):
        plan_jog(ROBOT, 'elbow', HALF, SIZE)
