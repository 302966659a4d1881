# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the gate lets through, whatever it is asked, for every robot: bounds, and how it tracks.

Commands come from seeds: random walks, leaps, steps back and forth, holes, values which are none.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from lingbot_policy.robot import load_robot, Robot, robot_names
from lingbot_policy.safety.gate import MeasuredState, Reaction, SafetyGate
from lingbot_policy.safety.limits import CommandedMotion

ROUNDING = 1e-9
ROBOTS = {name: load_robot(name) for name in robot_names()}
AGE_S, DEADMAN_S = 0.2, 0.5


@pytest.fixture(scope='session', params=[*ROBOTS, 'odd'])
def robot(request, odd) -> Robot:
    return ROBOTS.get(request.param, odd)


class Sent:
    """The commands a gate let through, with the bounds every one of them has to keep."""

    def __init__(self, robot: Robot, begin: np.ndarray) -> None:
        self.robot, self.last, self.step = robot, begin, np.zeros(robot.dof)
        self.change = robot.max_acceleration / robot.file.command_rate_hz**2

    def take(self, sent: np.ndarray) -> None:
        robot, step = self.robot, sent - self.last
        assert np.isfinite(sent).all()
        assert (sent >= robot.lower).all() and (sent <= robot.upper).all()
        assert (np.abs(step) <= robot.step_limit + ROUNDING).all()
        assert (np.abs(step) <= robot.max_velocity / robot.file.command_rate_hz + ROUNDING).all()
        assert (np.abs(step - self.step) <= self.change + ROUNDING).all()
        self.last, self.step = sent, step


def command_of(kind: str, robot: Robot, rng: np.random.Generator, last: np.ndarray):
    span = robot.upper - robot.lower
    if kind == 'none':
        return None
    if kind == 'leap':
        return robot.lower + rng.uniform(-0.5, 1.5, robot.dof) * span
    if kind == 'limits':
        return np.where(rng.random(robot.dof) < 0.5, robot.lower, robot.upper)
    if kind == 'huge':
        return last + rng.choice([-1e300, 1e300, 1e-300], robot.dof)
    if kind == 'hole':
        return np.where(rng.random(robot.dof) < 0.1, rng.choice([np.nan, np.inf]), last)
    return last + rng.normal(size=robot.dof) * robot.step_limit * rng.choice([0.1, 1.0, 10.0])


KINDS = st.sampled_from(['walk', 'walk', 'leap', 'limits', 'huge', 'hole', 'none'])
EVENTS = st.sampled_from(['', '', '', '', 'feed', 'stop', 'clear', 'wait', 'lost', 'elsewhere'])
PHASE = st.tuples(KINDS, EVENTS, st.integers(1, 30), st.sampled_from([0.05, 0.4, 1.0, 1.0]))


@settings(max_examples=25, deadline=None)
@given(phases=st.lists(PHASE, max_size=12), seed=st.integers(0, 2**31))
def test_no_command_state_or_stamp_leaves_position_velocity_acceleration_or_step(
    robot, phases, seed
):
    rng = np.random.default_rng(seed)
    gate = SafetyGate(robot, AGE_S, DEADMAN_S)
    begin = robot.lower + rng.random(robot.dof) * (robot.upper - robot.lower)
    gate.seed(MeasuredState(begin, np.zeros(robot.dof, np.int64)), 0)
    sent, now_ns = Sent(robot, gate.last), 0
    for kind, event, ticks, share in phases:
        measured, age_ns = gate.last, 0
        if event == 'feed':
            gate.feed(now_ns)
        elif event == 'stop':
            gate.stop('asked for')
        elif event == 'clear':
            gate.clear_stop()
        elif event == 'wait':
            now_ns += int(rng.integers(0, 10**9))
        elif event == 'lost':
            age_ns = int(rng.integers(-(10**9), 10**9))
        elif event == 'elsewhere':
            measured = rng.choice([np.nan, 0.0, 1e308, -1e308, *robot.home], robot.dof)
        for _ in range(ticks):
            now_ns += round(1e9 / robot.file.command_rate_hz)
            command = command_of(kind, robot, rng, gate.last)
            received = np.full(robot.dof, now_ns - age_ns)
            decision = gate.check(command, MeasuredState(measured, received), now_ns, share)
            sent.take(decision.positions)
            if event != 'elsewhere':
                measured = gate.last


@settings(max_examples=15, deadline=None)
@given(ticks=st.integers(1, 60), seed=st.integers(0, 2**31))
def test_after_a_stop_nothing_moves_further_than_the_braking_way(robot, ticks, seed):
    rng = np.random.default_rng(seed)
    motion_gate = SafetyGate(robot, AGE_S, DEADMAN_S)
    begin = robot.lower + rng.random(robot.dof) * (robot.upper - robot.lower)
    motion_gate.seed(MeasuredState(begin, np.zeros(robot.dof, np.int64)), 0)
    target = robot.lower + rng.random(robot.dof) * (robot.upper - robot.lower)
    before = motion_gate.last
    for _ in range(ticks):
        before = motion_gate.last
        fresh = MeasuredState(before, np.zeros(robot.dof, np.int64))
        motion_gate.check(target, fresh, 0)
    speed = np.abs(motion_gate.last - before) * robot.file.command_rate_hz
    motion_gate.stop('asked for')
    at, moved_ticks = motion_gate.last, 0
    while not motion_gate.is_still:
        decision = motion_gate.check(target, fresh, 0)
        assert decision.reaction is Reaction.STOP
        moved_ticks += 1
        assert moved_ticks < 1000
    way = speed**2 / (2.0 * robot.max_acceleration)
    assert (np.abs(motion_gate.last - at) <= way + ROUNDING).all()
    for _ in range(5):
        stopped = motion_gate.check(target, fresh, 0).positions
        np.testing.assert_array_equal(stopped, motion_gate.last)


def track(robot: Robot, targets: np.ndarray) -> np.ndarray:
    """Return what the limits make of ``targets`` (ticks, dof), from the first one at rest."""
    motion = CommandedMotion(robot)
    motion.start(targets[0])
    sent = []
    for target in targets:
        motion.take(motion.toward(target))
        sent.append(motion.positions)
    return np.array(sent)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_target_at_rest_is_reached_without_overshoot(robot, seed):
    rng = np.random.default_rng(seed)
    begin, end = (
        robot.lower + rng.random(robot.dof) * (robot.upper - robot.lower) for _ in range(2)
    )
    longest_s = (np.abs(end - begin) / robot.max_velocity).max() + 2.0
    ticks = round(longest_s * robot.file.command_rate_hz)
    sent = track(robot, np.vstack([begin, np.tile(end, (ticks, 1))]))
    np.testing.assert_allclose(sent[-1], end, atol=1e-12)
    assert (np.diff(sent, axis=0) * np.sign(end - begin) >= -ROUNDING).all()


@settings(max_examples=10, deadline=None)
@given(hertz=st.floats(0.05, 2.0), share=st.floats(0.1, 0.95), phase=st.floats(0, 6.28))
def test_a_plan_within_all_limits_is_sent_unchanged(robot, hertz, share, phase):
    rate = robot.file.command_rate_hz
    pulse = 2 * np.pi * hertz
    size = share * np.minimum(
        np.minimum(robot.max_velocity / pulse, robot.max_acceleration / pulse**2),
        0.45 * (robot.upper - robot.lower),
    )
    seconds = np.arange(round(3 * rate)) / rate
    rise = np.minimum(seconds / 3.0, 1.0) ** 2  # from rest
    wave = np.sin(pulse * seconds + phase) - np.sin(phase)
    targets = 0.5 * (robot.lower + robot.upper) + np.outer(rise * wave, 0.4 * size)
    np.testing.assert_allclose(track(robot, targets), targets, atol=1e-12)


def test_a_plan_which_leaps_is_caught_up_with_and_not_overshot(robot):
    rate = robot.file.command_rate_hz
    speed = 0.3 * robot.max_velocity
    seconds = np.arange(round(6 * rate))[:, None] / rate
    middle = 0.5 * (robot.lower + robot.upper)
    room = 0.4 * (robot.upper - robot.lower)
    plan = middle - room + np.minimum(seconds * speed, 1.5 * room)
    leapt = plan + np.where(seconds > 0.2, np.minimum(0.2, 0.3 * room), 0.0)
    sent = track(robot, leapt)
    is_met = np.abs(sent - leapt) < 1e-9
    first = is_met[round(0.3 * rate) :].argmax(axis=0) + round(0.3 * rate)
    for joint in range(robot.dof):
        ends = round(1.5 * room[joint] / speed[joint] * rate) - 2
        assert first[joint] < min(ends, 4 * rate)
        assert (sent[: first[joint], joint] <= leapt[: first[joint], joint] + 1e-9).all()
        assert is_met[first[joint] : ends, joint].all()


def test_a_leap_onto_a_plan_which_turns_back_is_not_overshot(robot):
    """A sway at 30 % of the limits, joined 0.3 s late: it may brake while it is caught up with."""
    rate, pulse = robot.file.command_rate_hz, np.pi
    limits = np.minimum(robot.max_velocity / pulse, robot.max_acceleration / pulse**2)
    size = 0.3 * np.minimum(limits, 0.5 * (robot.upper - robot.lower))
    middle, seconds = 0.5 * (robot.lower + robot.upper), np.arange(round(4 * rate)) / rate
    for phase in np.linspace(0, 2 * np.pi, 8, endpoint=False):
        plan = np.sin(pulse * seconds + phase) - np.sin(phase)
        targets = middle + np.outer(np.where(seconds < 0.3, 0.0, plan), size)
        behind = targets - track(robot, targets)
        side = np.sign(behind[round(0.3 * rate) + 1])
        assert (behind * side >= -1e-3).all()
        np.testing.assert_allclose(behind[round(1.5 * rate) :], 0.0, atol=1e-9)


def test_noise_faster_than_the_joints_does_not_build_up(robot):
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(800, robot.dof)) * 0.2 * robot.step_limit
    middle = 0.5 * (robot.lower + robot.upper)
    sent = track(robot, np.vstack([middle, middle + noise]))
    assert (np.abs(sent - middle).max(axis=0) < 3.0 * np.abs(noise).max(axis=0)).all()


def test_it_brakes_in_time_for_a_limit_and_reaches_it(robot):
    targets = np.tile(robot.upper + 1.0, (round(20 * robot.file.command_rate_hz), 1))
    sent = track(robot, np.vstack([robot.home, targets]))
    np.testing.assert_allclose(sent[-1], robot.upper, atol=1e-9)
    steps = np.diff(sent, axis=0)
    assert (steps >= -ROUNDING).all()
    change = robot.max_acceleration / robot.file.command_rate_hz**2
    assert (np.abs(np.diff(steps, axis=0)) <= change + ROUNDING).all()


def test_a_margin_keeps_commands_inside_and_lets_a_joint_in_it_come_back(odd):
    safety = odd.file.safety.model_copy(update={'position_margin_rad': 0.1})
    robot = Robot(odd.file.model_copy(update={'safety': safety}), odd.text, odd.path)
    motion = CommandedMotion(robot)
    motion.start(np.array([0.95, 0.5, 1.0, 0.25, 0.0]))
    for target in (2.0, 0.0, 2.0):
        for _ in range(300):
            motion.take(motion.toward(np.array([target, 0.5, 1.0, 0.25, 0.0])))
            assert motion.positions[0] <= 0.95
    assert motion.positions[0] == pytest.approx(0.9)
    assert motion.positions[2] == 1.0  # a gripper closes fully


def test_a_soft_start_bounds_the_speed_and_is_no_clamp(odd):
    gate = SafetyGate(odd, AGE_S, DEADMAN_S)
    begin = np.array([0.0, 0.5, 0.5, 0.25, 0.5])
    gate.seed(MeasuredState(begin, np.zeros(5, np.int64)), 0)
    for _ in range(20):
        before = gate.last
        fresh = MeasuredState(before, np.zeros(5, np.int64))
        decision = gate.check(begin + [0.3, 0, 0, 0, 0], fresh, 0, speed_share=0.2)
        assert decision.reaction is Reaction.COMMAND
    assert gate.last[0] - before[0] == pytest.approx(0.002)


def test_the_step_of_a_robot_file_is_told_as_a_step(odd):
    safety = odd.file.safety.model_copy(update={'step_limit_rad': 0.005})
    robot = Robot(odd.file.model_copy(update={'safety': safety}), odd.text, odd.path)
    gate = SafetyGate(robot, AGE_S, DEADMAN_S)
    begin = MeasuredState(np.array([0.0, 0.5, 0.5, 0.25, 0.5]), np.zeros(5, np.int64))
    gate.seed(begin, 0)
    decision = gate.check(begin.positions + [0.008, 0, 0, 0, 0], begin, 0)
    assert decision.reason == 'step: l1 at 0.00800, limit 0.00500'
