# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The scripted hand-over and the sway of every robot pass the gate with its distances checked."""

import numpy as np
import pytest

from lingbot_policy.robot import load_robot, robot_names
from lingbot_policy.safety.gate import MeasuredState, SafetyGate
from lingbot_policy.sim.detect import Block
from lingbot_policy.sim.expert import plan_handover, plan_sway
from lingbot_policy.sim.stub import KinematicWorld

MAY_CLAMP = {'', 'acceleration', 'velocity'}  # straight lines between steps have corners


def run(robot, world, plan: np.ndarray, rate: float) -> set[str]:
    """Send a plan at policy rate, drawn out to command rate; return every word of the gate."""
    gate = SafetyGate(robot, 0.2, 1.5)
    gate.guard_space(simulated=True)
    ticks = round((len(plan) - 1) / rate * robot.file.command_rate_hz)
    steps = np.linspace(0, len(plan) - 1, ticks)
    words, now_ns, dt_s = set(), 0, 1.0 / robot.file.command_rate_hz
    gate.seed(MeasuredState(world.positions(), np.zeros(robot.dof, np.int64)), 0)
    for step in steps:
        now_ns += round(dt_s * 1e9)
        low = min(int(step), len(plan) - 2)
        command = plan[low] + (step - low) * (plan[low + 1] - plan[low])
        state = MeasuredState(world.positions(), np.full(robot.dof, now_ns))
        decision = gate.check(command, state, now_ns)
        words.add(decision.word)
        world.command(decision.positions)
        world.step(dt_s)
    return words


@pytest.mark.parametrize('name', robot_names())
def test_the_hand_over_of_every_robot_passes_and_succeeds(name):
    robot = load_robot(name)
    world = KinematicWorld(robot, seed=1, render=False)
    block = Block(*world.layout.blocks[world.layout.target])
    plan = plan_handover(robot, block, world.positions())
    assert run(robot, world, plan, robot.file.policy_rate_hz) <= MAY_CLAMP
    assert world.success()


@pytest.mark.parametrize('name', robot_names())
def test_the_sway_of_every_robot_passes(name):
    robot = load_robot(name)
    world = KinematicWorld(robot, render=False)
    plan = plan_sway(robot, world.positions())
    assert run(robot, world, plan, robot.file.policy_rate_hz) <= MAY_CLAMP
