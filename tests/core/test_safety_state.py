# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the measured joints of `odd` (100 Hz, following error 0.6 rad for 0.5 s) do to the gate.

l1 goes from 0 to 0.9 at 1 rad/s; each test says how it is measured.
"""

import numpy as np
import pytest

from lingbot_policy.robot import load_robot, Robot, robot_names
from lingbot_policy.safety.gate import Decision, MeasuredState, Reaction, SafetyGate

MS = 1_000_000
TICK = 10 * MS
REST = np.array([0.0, 0.5, 0.5, 0.25, 0.5])
FAR = REST + [0.9, 0, 0, 0, 0]
LAG_S = 0.05  # the simulated robots follow with this time constant


class Arms:
    """A gate, its clock, and joints which are measured where the test puts them."""

    def __init__(self, robot, at=REST) -> None:
        self.gate = SafetyGate(robot, 0.2, 1.5)
        self.measured, self.now_ns = np.array(at), 0
        self.gate.seed(self.state(), 0)

    def state(self) -> MeasuredState:
        received = np.full(len(self.measured), self.now_ns)
        return MeasuredState(self.measured.copy(), received)

    def tick(self, command: np.ndarray | None, measured=None, dt_ns: int = TICK) -> Decision:
        self.now_ns += dt_ns
        self.measured = self.gate.last if measured is None else np.asarray(measured, float)
        return self.gate.check(command, self.state(), self.now_ns)

    def release(self) -> None:
        self.gate.release(self.state(), self.now_ns)


@pytest.fixture
def arms(odd) -> Arms:
    return Arms(odd)


def stuck(arms: Arms, seconds: float) -> list[Decision]:
    return [arms.tick(FAR, REST) for _ in range(round(seconds * 100))]


def test_a_joint_held_up_brakes_then_holds_then_stops(arms):
    decisions = stuck(arms, 2.5)
    reasons = [d.reason for d in decisions if d.reaction in (Reaction.BRAKE, Reaction.HOLD)]
    assert reasons[0].startswith('following: l1 is ')
    assert reasons[0].endswith('rad from its command for 0.51 s, limit 0.600 rad for 0.50 s')
    first = [d.word for d in decisions].index('following')
    latched = [d.reaction for d in decisions].index(Reaction.STOP)
    assert latched - first == 50
    assert arms.gate.stop_reason.startswith('following: l1 ')
    assert arms.tick(REST, arms.gate.last).reaction is Reaction.STOP


def test_a_joint_which_catches_up_in_time_goes_on(arms):
    assert stuck(arms, 1.3)[-1].word == 'following'
    assert arms.tick(FAR).reaction in (Reaction.COMMAND, Reaction.CLAMP)
    assert stuck(arms, 0.5)[-1].word != 'following'


def test_an_error_within_the_tolerance_is_never_told(arms):
    for _ in range(300):
        arms.tick(FAR, arms.gate.last - [0.59, 0, 0, 0, 0])
    assert not arms.gate.counts.keys() & {'following', 'state_jump'}


def test_a_gripper_which_grasps_something_does_not_count(arms):
    closing = REST - [0, 0, 0.5, 0, 0.5]
    for _ in range(300):
        arms.tick(closing, REST)
    assert not arms.gate.counts.keys() & {'following', 'state_jump'}


@pytest.mark.parametrize('name', robot_names())
def test_healthy_motion_at_full_speed_keeps_half_of_the_tolerance(name):
    """Every joint back and forth between its limits as fast as it may, 50 ms behind."""
    robot = load_robot(name)
    rate = robot.file.command_rate_hz
    arms = Arms(robot, robot.home)
    share, worst = 1.0 - np.exp(-1.0 / rate / LAG_S), 0.0
    measured = robot.home
    for tick in range(round(12 * rate)):
        measured = measured + share * (arms.gate.last - measured)
        target = (robot.lower, robot.upper)[int(tick / rate / 3) % 2]
        arms.tick(target, measured, dt_ns=round(1e9 / rate))
        error = np.where(robot.is_gripper, 0.0, np.abs(arms.gate.last - measured))
        worst = max(worst, float(error.max()))
    assert not arms.gate.counts.keys() & {'following', 'state_jump', 'state_zero'}
    expected = (LAG_S + 1.0 / rate) * robot.max_velocity[~robot.is_gripper].max()
    assert worst == pytest.approx(expected, rel=0.15)
    assert worst < 0.55 * robot.file.safety.following_error_rad


def test_a_state_which_leaps_stops(arms):
    arms.tick(REST)
    decision = arms.tick(REST, REST + [0, 0, 0, 0.7, 0])
    assert decision.reaction is Reaction.STOP
    assert decision.reason == 'state_jump: r1 by 0.700 rad at once, now 0.700 rad from its command'


def test_a_leap_is_noticed_after_a_silence_too(arms):
    arms.tick(REST)
    decision = arms.tick(REST, REST + [0, 0.8, 0, 0, 0], dt_ns=5_000 * MS)
    assert decision.word == 'state_jump'


def test_joints_which_catch_up_after_a_silence_are_no_leap(arms):
    for _ in range(15):
        arms.gate.check(FAR, MeasuredState(REST, np.zeros(5, np.int64)), 0)
    assert arms.tick(FAR).reaction in (Reaction.COMMAND, Reaction.CLAMP)


def test_an_arm_which_measures_zero_far_from_zero_stops(arms):
    arms.tick(REST)
    decision = arms.tick(REST, REST * [0, 0, 1, 1, 1])
    assert decision.reaction is Reaction.STOP
    assert decision.reason == 'state_zero: every joint of the left arm measures exactly 0'


def test_a_right_arm_of_zeros_is_refused_before_motion(odd):
    with pytest.raises(ValueError, match='every joint of the right arm measures exactly 0'):
        Arms(odd, REST * [1, 1, 1, 0, 1])


def test_an_arm_at_zero_which_was_commanded_there_is_fine(odd):
    arms = Arms(odd, [0.1, 0.1, 0.5, 0.25, 0.5])
    zero = np.array([0.0, 0.0, 0.5, 0.25, 0.5])
    for _ in range(100):
        arms.tick(zero)
    assert arms.gate.stop_reason == ''


def test_an_arm_which_leaves_zero_late_is_fine(odd):
    at_zero = REST * [0, 0, 1, 1, 1]
    left = odd.file.arms['left'].model_copy(update={'home': (0.0, 0.0)})
    arms_file = {**odd.file.arms, 'left': left}
    robot = Robot(odd.file.model_copy(update={'arms': arms_file}), odd.text, odd.path)
    arms = Arms(robot, at_zero)
    for _ in range(30):
        arms.tick(at_zero + [0.5, 0.5, 0, 0, 0], at_zero)
    assert arms.gate.last[0] > 0.1
    assert arms.gate.stop_reason == ''


def test_a_fault_of_a_drive_stops_with_its_source(arms):
    arms.gate.report_fault('/left/error_code', 'joint 3: 0x1002 over-current')
    decision = arms.tick(REST)
    assert decision.reaction is Reaction.STOP
    assert decision.reason == 'drive_fault: /left/error_code: joint 3: 0x1002 over-current'


def stopped(arms: Arms, seconds: float = 0.4) -> Arms:
    arms.tick(FAR)
    arms.gate.stop('bumper')
    for _ in range(round(seconds * 100)):
        arms.tick(None)
    return arms


def test_a_stop_is_released_at_rest_and_the_command_begins_at_the_joints(arms):
    stopped(arms)
    arms.measured = REST + [0.003, 0, 0, 0, 0]
    arms.release()
    assert arms.gate.stop_reason == ''
    assert arms.gate.last.tolist() == arms.measured.tolist()


def test_a_stop_is_not_released_while_the_measured_joints_move(arms):
    stopped(arms)
    for tick in range(20):
        arms.tick(None, REST + [0, 0, 0, 0.001 * tick, 0])
    with pytest.raises(ValueError, match=r'r1 moved by 0\.0\d+ rad in 0\.\d+ s'):
        arms.release()
    assert arms.gate.stop_reason == 'bumper'


def test_a_stop_is_not_released_before_the_joints_were_seen_to_stand_still(arms):
    stopped(arms, seconds=0.05)
    with pytest.raises(ValueError, match=r'the joints were not measured for 0\.1 s'):
        arms.release()


@pytest.mark.parametrize(
    ('measured', 'told'),
    [
        (REST + [0, np.nan, 0, 0, 0], 'l2 was never received'),
        (REST + [0, 0, 0, 2.0, 0], 'r1 at 2.250, limits -0.500 .. 1.500'),
    ],
)
def test_a_stop_is_not_released_without_a_whole_state_within_limits(arms, measured, told):
    stopped(arms).measured = measured
    with pytest.raises(ValueError, match=told):
        arms.release()
    assert arms.gate.stop_reason == 'bumper'


def test_a_stop_is_not_released_with_old_joints(arms):
    state = stopped(arms).state()
    with pytest.raises(ValueError, match='l1 is 201 ms old'):
        arms.gate.release(state, arms.now_ns + 201 * MS)


def test_arming_waits_until_the_arms_stand_still(odd):
    gate = SafetyGate(odd, 0.2, 1.5)
    for tick in range(30):
        now_ns = tick * TICK
        state = MeasuredState(REST + 0.002 * tick, np.full(5, now_ns))
        gate.observe(state, now_ns)
    with pytest.raises(ValueError, match=r'the arms are moving: l\d moved by 0\.0\d+ rad'):
        gate.seed(state, now_ns)
    for _ in range(35):
        now_ns += TICK
        still = MeasuredState(state.positions.copy(), np.full(5, now_ns))
        gate.observe(still, now_ns)
    gate.seed(still, now_ns)


def test_a_deadman_hold_keeps_the_last_command_and_not_the_joints(arms):
    arms.gate.feed(0)
    while arms.now_ns < 1_500 * MS:
        arms.tick(REST)
    drooped = REST - [0, 0.1, 0, 0, 0]
    for _ in range(100):
        decision = arms.tick(REST, drooped)
    assert decision.word == 'deadman'
    assert decision.positions.tolist() == REST.tolist()
