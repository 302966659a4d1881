# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Random chunks, joints and stamps through the whole executor of every robot.

The judge of the fault matrix, which shares no code with the gate, sees every command that leaves.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from lingbot_policy.chunk import ActionChunk, RejectedChunk
from lingbot_policy.execution.executor import Execution, ExecutionLimits, Mode
from lingbot_policy.robot import load_robot, Robot, robot_names
from tests.faults.witness import Witness

ROS = 10**18
ROBOTS = {name: load_robot(name) for name in robot_names()}
LIMITS = ExecutionLimits(soft_start_s=0.1, resume_window_s=0.3, deadman_s=0.4)


@pytest.fixture(scope='module', params=ROBOTS)
def robot(request) -> Robot:
    return ROBOTS[request.param]


def chunk_of(kind: str, robot: Robot, rng: np.random.Generator, seen_ns: int) -> ActionChunk:
    horizon, span = int(rng.integers(1, 20)), robot.upper - robot.lower
    positions = robot.home + np.cumsum(rng.normal(size=(horizon, robot.dof)), axis=0) * 0.05
    if kind == 'wild':
        positions = robot.lower + rng.uniform(-1, 2, (horizon, robot.dof)) * span
    elif kind == 'hole':
        positions[rng.integers(horizon), rng.integers(robot.dof)] = np.nan
    elif kind == 'short':
        positions = positions[:, 1:]
    elif kind == 'huge':
        positions *= 1e300
    seen_ns += int(rng.normal() * (5e9 if kind == 'stamp' else 3e7))
    rate = float(rng.choice([5.0, 30.0, 1000.0]))
    return ActionChunk(positions, seen_ns, rate, contract_digest='c1', instruction='go')


KINDS = st.sampled_from(['walk', 'walk', 'wild', 'wild', 'hole', 'short', 'huge', 'stamp'])
ACTS = {
    'stop': lambda execution, rng: execution.stop('asked for'),
    'yield': lambda execution, rng: execution.stop('another', yields=True),
    'hold': lambda execution, rng: execution.hold('asked for'),
    'leave': lambda execution, rng: execution.leave('asked for'),
    'park': lambda execution, rng: execution.wind_down(),
    'speed': lambda execution, rng: execution.set_speed(float(rng.uniform(0.01, 1.0))),
    'home': lambda execution, rng: execution.go_home(),
    'instruct': lambda execution, rng: execution.instruct(str(rng.choice(['go', 'stay']))),
    'strategy': lambda execution, rng: execution.set_strategy(str(rng.choice(STRATEGIES))),
}
STRATEGIES = ['replace', 'sync', 'blend', 'ensemble']
EVENTS = st.sampled_from(['', '', '', '', '', 'clear', 'late', 'clock', 'lost', 'else', *ACTS])
STEP = st.tuples(KINDS, EVENTS, st.integers(1, 40))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(STEP, max_size=15),
    seed=st.integers(0, 2**31),
    strategy=st.sampled_from(STRATEGIES),
)
def test_no_chunk_makes_a_command_leave_the_limits(robot, steps, seed, strategy):
    rng, witness = np.random.default_rng(seed), Witness(robot)
    execution, joints = Execution(robot, LIMITS, strategy), np.arange(robot.dof)
    execution.expect('c1')
    now_ns, period_ns, sent = 0, round(1e9 / robot.file.command_rate_hz), robot.home
    ros_from_ns = ROS
    for kind, event, ticks in steps:
        if event == 'late':
            now_ns += int(rng.integers(0, 10**9))
        elif event == 'clock':
            ros_from_ns += int(rng.normal() * 10.0 ** rng.integers(6, 10))
        ros_ns = ros_from_ns + now_ns
        try:
            if event == 'clear':
                execution.clear_stop(now_ns)
            elif event in ACTS:
                ACTS[event](execution, rng)
            is_new = execution.mode is Mode.DISARMED
            execution.arm(now_ns)
            if is_new:  # at rest where the joints are
                witness.see(execution.gate.last, {}, now_ns)
        except ValueError:
            pass
        try:
            execution.accept(chunk_of(kind, robot, rng, ros_ns), ros_ns, now_ns)
        except RejectedChunk:
            pass
        for _ in range(ticks):
            now_ns += period_ns
            measured = robot.home + rng.normal(size=robot.dof) if event == 'else' else sent
            if event != 'lost':
                execution.measure(joints, measured, now_ns)
            tick = execution.tick(ros_from_ns + now_ns, now_ns)
            if tick is None:
                witness.begin()
                continue
            sent = tick.decision.positions
            witness.see(sent, {}, now_ns)
    assert witness.outside == {}
