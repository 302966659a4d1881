# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""All nine robots: what is decoded, encoded and simulated is what was written down by hand."""

import numpy as np
import pytest
from wire_table import (
    disagreements,
    load_cameras,
    load_table,
    over_the_wire,
    STAMP_NS,
)

from lingbot_policy.decode import image_from_msg, stamp_ns, StateDecoder
from lingbot_policy.nodes.encode import (
    command_encoders,
    message_type,
    picture_msg,
    state_encoders,
    time_msg,
)
from lingbot_policy.robot import Robot, robot_names
from lingbot_policy.sim.wire_limits import WireLimits


def test_there_are_nine_robots():
    assert len(robot_names()) == 9


def test_the_robot_file_says_what_the_table_says(robot: Robot):
    assert disagreements(robot, load_table(robot.name), load_cameras(robot.name)) == []


def test_the_table_moves_every_joint_in_both_directions_of_the_wire(robot: Robot):
    table = load_table(robot.name)
    commanded = np.array([command['inside'] for command in table['commands']])
    assert (np.ptp(commanded, axis=0) > 0.01).all()
    for joint in robot.joints:
        read = {s['inside'][joint] for s in table['states'] if joint in s['inside']}
        assert len(read) > 0 and read != {0.0}, joint
    for side in ('left', 'right'):
        gripper = robot.file.grippers[side].joint
        read = {s['inside'][gripper] for s in table['states'] if gripper in s['inside']}
        assert len(read) > 1, gripper


def test_the_table_tells_left_from_right(robot: Robot):
    arm, other = (robot.slots(side)[0] for side in ('left', 'right'))
    for command in load_table(robot.name)['commands'][:2]:
        inside = np.array(command['inside'], float)
        assert (inside[arm] != inside[other]).all()


def test_a_simulated_robot_sends_states_which_decode_to_its_joints(robot: Robot):
    rng = np.random.default_rng(0)
    positions = rng.uniform(robot.lower, robot.upper)
    found = np.full(robot.dof, np.nan)
    for key, encoder in state_encoders(robot).items():
        msg = over_the_wire(encoder.encode(positions, time_msg(STAMP_NS)))
        decoder = StateDecoder(robot, key)
        found[decoder.slots] = decoder.decode(msg)
        assert robot.file.state_topics[key].stamp == 'arrival' or stamp_ns(msg) == STAMP_NS
    np.testing.assert_allclose(found, positions, atol=1e-9)


def test_commands_at_the_limits_are_no_violation_and_beyond_them_are_one(robot: Robot):
    for key, encoder in command_encoders(robot).items():
        limits, beyond = WireLimits(robot, key), WireLimits(robot, key)
        for ends in (robot.lower, robot.upper):
            msg = over_the_wire(encoder.encode(ends, time_msg(STAMP_NS)))
            limits.check(msg, 0)
        assert limits.summary()['position'] == limits.summary()['malformed'] == 0
        if is_clamped(robot, key):
            continue
        msg = over_the_wire(encoder.encode(robot.upper + 0.02, time_msg(STAMP_NS)))
        beyond.check(msg, 0)
        assert beyond.summary()['position'] == 1


def is_clamped(robot: Robot, key: str) -> bool:
    grippers = robot.file.grippers.values()
    return any(g.command.target == key and g.command.maximum is not None for g in grippers)


@pytest.mark.parametrize('name', ['head', 'left_wrist', 'right_wrist'])
def test_a_simulated_picture_arrives_with_its_colours(robot: Robot, name: str):
    camera = robot.cameras[name]
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32] = (200, 40, 10)
    msg = over_the_wire(picture_msg(pixels, camera, time_msg(STAMP_NS)))
    assert type(msg) is message_type(camera.type)
    assert stamp_ns(msg) == STAMP_NS
    found = image_from_msg(msg, camera, name).astype(int)
    away = np.abs(found - pixels)[:, [*range(28), *range(36, 64)]]  # JPEG blurs the edge
    assert away.max() <= (0 if camera.transport == 'raw' else 6)


def test_home_lies_within_the_limits(robot: Robot):
    assert (robot.home >= robot.lower).all() and (robot.home <= robot.upper).all()


def test_motors_are_never_asked_for_more_than_half_their_speed(robot: Robot):
    for arm in robot.file.arms.values():
        assert all(
            safe <= 0.5 * motor
            for safe, motor in zip(arm.safe_max_velocity, arm.motor_max_velocity, strict=True)
        )
