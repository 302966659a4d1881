# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Distances of the arms: against brute force, and what the gate does where they get short."""

import numpy as np
import pytest

from lingbot_policy.kinematics import arm_chains, table_height
from lingbot_policy.robot import load_robot, Robot, robot_names, SIDES
from lingbot_policy.robot_schema import Box
from lingbot_policy.safety.clearance import ArmPoints, Clearance, distances
from lingbot_policy.safety.gate import MeasuredState, Reaction, SafetyGate

AGILEX = load_robot('agilex_cobot_magic')
TENTH = 'tests/data/robots/tenth.yaml'


def with_geometry(robot: Robot, **changes) -> Robot:
    geometry = robot.file.geometry.model_copy(update=changes)
    return Robot(robot.file.model_copy(update={'geometry': geometry}), robot.text, robot.path)


def gate_of(robot: Robot, begin: np.ndarray, simulated: bool = True) -> SafetyGate:
    gate = SafetyGate(robot, 0.2, 1.5)
    gate.guard_space(simulated)
    gate.seed(MeasuredState(begin, np.zeros(robot.dof, np.int64)), 0)
    return gate


def drive(gate: SafetyGate, target: np.ndarray, ticks: int) -> list:
    fresh = np.zeros(len(target), np.int64)
    return [gate.check(target, MeasuredState(gate.last, fresh), 0) for _ in range(ticks)]


@pytest.mark.parametrize('name', [*robot_names(), TENTH])
def test_all_links_are_where_the_chain_of_each_arm_says(name):
    robot = load_robot(name)
    postures = np.random.default_rng(0).uniform(robot.lower, robot.upper, (4, robot.dof))
    points = ArmPoints(robot).at(postures)
    for row, side in enumerate(SIDES):
        chain = arm_chains(robot)[side]
        for posture, found in zip(postures, points[:, row], strict=True):
            joints = posture[robot.slots(side)[0]]
            at, turn, origins, _ = chain._walk(joints)
            expected = np.vstack([chain.base, origins])
            np.testing.assert_allclose(found[: len(expected)], expected, atol=1e-12)
            np.testing.assert_allclose(found[-1], at + turn @ chain.tool, atol=1e-12)


def test_distances_of_segments_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    a, b, c, d = rng.uniform(-1, 1, (4, 300, 3))
    b[::7], d[::11] = a[::7], c[::11]  # points
    d[::5] = c[::5] + 0.7 * (b[::5] - a[::5])  # parallel
    c[1::5] = a[1::5] + 0.3 * (b[1::5] - a[1::5])  # touching
    found = distances(a, b - a, c, d - c)
    share = np.linspace(0, 1, 201)
    for index in range(300):
        on_first = a[index] + share[:, None] * (b[index] - a[index])
        on_second = c[index] + share[:, None] * (d[index] - c[index])
        least = np.linalg.norm(on_first[:, None] - on_second[None], axis=2).min()
        assert least - 0.02 <= found[index] <= least + 1e-9


def crossing(robot: Robot) -> np.ndarray:
    """Return a posture with both arms turned to each other, in which the forearms cross."""
    target = robot.home.copy()
    left, right = robot.slots('left')[0], robot.slots('right')[0]
    target[left] = [-1.34, 2.49, -2.44, 0.0, 0.0, 0.0]
    target[right] = [1.13, 2.51, -2.43, 0.0, 0.0, 0.0]
    return target


def test_arms_which_come_too_near_brake_in_time_and_hold():
    begin, target = AGILEX.home, crossing(AGILEX)
    free = SafetyGate(AGILEX, 0.2, 1.5)
    free.seed(MeasuredState(begin, np.zeros(AGILEX.dof, np.int64)), 0)
    clearance = Clearance(AGILEX, None)
    drive(free, target, 800)
    assert clearance.room(free.last[None]).min() < -0.02  # without the check they collide
    gate = gate_of(AGILEX, begin)
    decisions = drive(gate, target, 800)
    assert decisions[-1].reaction is Reaction.HOLD
    word, _, rest = decisions[-1].reason.partition(': ')
    assert word == 'clearance'
    assert rest.startswith('left link') and ' - right link' in rest and ', limit 0.0' in rest
    positions = np.array([decision.positions for decision in decisions])
    assert clearance.room(positions).min() >= -1e-3
    assert gate.counts['clearance'] > 10


def test_from_too_near_the_arms_may_move_apart_and_not_nearer():
    target = crossing(AGILEX)
    clearance = Clearance(AGILEX, None)
    share = next(
        s for s in np.linspace(0, 1, 200)
        if clearance.room((AGILEX.home + s * (target - AGILEX.home))[None]).min() < -0.005
    )  # fmt: skip
    near = AGILEX.home + share * (target - AGILEX.home)
    gate = gate_of(with_geometry(AGILEX, table_z=-1.0), near)
    assert drive(gate, target, 5)[-1].word == 'clearance'
    assert gate.last.tolist() == near.tolist()
    assert drive(gate, near, 1)[0].reaction is Reaction.COMMAND
    decisions = drive(gate, AGILEX.home, 600)
    assert {d.word for d in decisions} <= {'', 'velocity', 'acceleration'}
    np.testing.assert_allclose(gate.last, AGILEX.home)


def test_a_tool_does_not_go_into_the_table():
    down = AGILEX.home.copy()
    down[4] += 1.2
    gate = gate_of(AGILEX, AGILEX.home)
    decisions = drive(gate, down, 500)
    assert decisions[-1].reason.startswith('clearance: left tool - table at ')
    assert arm_chains(AGILEX)['left'].tool_pose(gate.last[:6])[0][2] >= 0.0095


def test_a_tool_does_not_leave_the_workspace():
    at = [arm_chains(AGILEX)[s].tool_pose(AGILEX.home[AGILEX.slots(s)[0]])[0] for s in SIDES]
    low, high = np.min(at, axis=0) - 0.05, np.max(at, axis=0) + 0.05
    robot = with_geometry(AGILEX, workspace=Box(lower=tuple(low), upper=tuple(high)))
    target = AGILEX.home.copy()
    target[AGILEX.slots('right')[0].start] -= 0.8
    gate = gate_of(robot, AGILEX.home)
    decisions = drive(gate, target, 500)
    assert decisions[-1].reason.startswith('clearance: right tool - workspace at ')
    tool = arm_chains(AGILEX)['right'].tool_pose(gate.last[AGILEX.slots('right')[0]])[0]
    assert (tool >= low - 1e-3).all() and (tool <= high + 1e-3).all()


def test_stand_in_geometry_is_not_used_on_hardware_and_arming_can_say_so():
    gate = SafetyGate(AGILEX, 0.2, 1.5)
    assert gate.guard_space(simulated=False) == (
        'distances are not checked: the geometry of the robot file is a stand-in'
    )
    gate.seed(MeasuredState(AGILEX.home, np.zeros(AGILEX.dof, np.int64)), 0)
    drive(gate, crossing(AGILEX), 800)
    assert gate.counts['clearance'] == 0


def test_true_geometry_is_used_on_hardware_with_the_table_it_knows():
    robot = with_geometry(AGILEX, stand_in=False)
    gate = SafetyGate(robot, 0.2, 1.5)
    told = gate.guard_space(simulated=False)
    assert told == 'distances are checked: both arms, no table is known, no workspace is known'
    robot = with_geometry(AGILEX, stand_in=False, table_z=-0.1)
    assert 'table at -0.100 m' in SafetyGate(robot, 0.2, 1.5).guard_space(simulated=False)


def test_a_simulated_robot_has_its_table():
    told = SafetyGate(AGILEX, 0.2, 1.5).guard_space(simulated=True)
    assert f'table at {table_height(AGILEX):.3f} m' in told


def test_a_file_without_both_arms_cannot_be_checked(odd):
    with pytest.raises(ValueError, match=r'geometry.arms: found no left and no right'):
        Clearance(odd, None)
