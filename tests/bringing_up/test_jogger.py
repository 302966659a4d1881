# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Jogging a simulated robot with a robot file that is wrong about it.

The simulation runs the sound file as a process of its own, the jogger a changed copy: what both
believe differs as it would on a real robot.
"""

from collections.abc import Callable
import math

import numpy as np
import pytest

from lingbot_policy.commissioning.jog import JogSize
from lingbot_policy.nodes.jogger import Jogger, JogStopped, SIMULATED_STATE_AGE_S
from lingbot_policy.robot import Robot

pytestmark = pytest.mark.ros
# Faster than on hardware, so that a test is over soon: the rest is the same.
SIZE = JogSize(speed_share=0.15, settle_s=0.5)
BUSY_S = SIMULATED_STATE_AGE_S  # other tests run beside
AGILEX, FRANKA, G1 = 'agilex_cobot_magic', 'bimanual_franka', 'agibot_g1'
SWAPPED = {
    'command_topics.left.topic': '/master/joint_right',
    'command_topics.right.topic': '/master/joint_left',
}
ORDER = {'arms.left.state.index': [0, 1, 2, 3, 5, 4]}
STILL = {'arms.left.home': [0.1, 1.2, -1.2, 0.3, 0.2, 0.2], 'grippers.left.home': 0.5}
REVERSED = {'grippers.left.command.closed': 0.08, 'grippers.left.command.open': 0.0}


@pytest.fixture(scope='module')
def ros_env(shared_env: dict[str, str]) -> dict[str, str]:
    return shared_env


@pytest.fixture(scope='module')
def agilex(robot_file: Callable[..., Robot], simulate_for_all: Callable[[Robot], None]) -> Robot:
    """A simulated robot for the tests after which nobody is left on its topics."""
    robot = robot_file(AGILEX, **STILL)
    simulate_for_all(robot)
    return robot


def never() -> bool:
    return False


def jog(believed: Robot, *joints: str, pressed: Callable[[], bool] = never) -> None:
    """Jog joints of a robot that is simulated, by the file that is believed."""
    with Jogger(believed, SIZE, simulated=True, discovery_s=0.0, max_state_age_s=BUSY_S) as jogger:
        jogger.begin()
        jogger.hold(0.3, pressed)
        start = jogger.positions
        for joint in joints:
            jogger.move(joint, pressed)
        assert np.abs(jogger.positions - start).max() < math.radians(0.6)


def test_a_sound_file_moves_what_it_says_and_comes_back(agilex):
    jog(agilex, 'fl_joint3', 'fl_gripper', 'fr_joint6')


@pytest.mark.parametrize(
    ('base', 'joints'),
    [
        (FRANKA, ('left_fr3v2_joint4', 'right_gripper')),
        (G1, ('idx24_arm_l_joint4', 'right_gripper')),
    ],
)
def test_other_wires_move_what_their_files_say_and_come_back(robot_file, simulate, base, joints):
    robot = robot_file(base)
    simulate(robot)
    jog(robot, *joints)


def test_a_key_stops_at_once(agilex):
    presses = iter([False] * 30)
    with pytest.raises(JogStopped, match='a key was pressed'):
        jog(agilex, 'fl_joint3', pressed=lambda: not next(presses, True))


def test_a_file_that_is_wrong_is_stopped_and_told_why(robot_file, agilex):
    for joint, changes, said in (
        ('fl_joint5', ORDER, 'order of the joints differs'),
        ('fl_gripper', REVERSED, 'polarity: open and closed'),
        ('fl_joint3', SWAPPED, 'unit, order or side'),
        ('fl_joint3', {'arms.left.command.unit': 'deg'}, 'unit, order or side'),
    ):
        with pytest.raises(JogStopped) as stopped:
            jog(robot_file(AGILEX, 'believed', **STILL, **changes), joint)
        assert said in str(stopped.value)
        assert joint in str(stopped.value) or 'stand still' in str(stopped.value)


def test_a_second_publisher_forbids_to_begin_and_stops_what_has_begun(agilex, stranger):
    with Jogger(agilex, SIZE, discovery_s=0.0, max_state_age_s=BUSY_S) as jogger:
        jogger.begin()
        jogger.hold(0.2, never)
        stranger('teleoperation', '/master/joint_right', 'sensor_msgs/msg/JointState')
        with pytest.raises(JogStopped, match='/master/joint_right'):
            jogger.hold(40.0, never)
    with (
        Jogger(agilex, SIZE, max_state_age_s=BUSY_S) as jogger,
        pytest.raises(ValueError, match='/master/joint_right: /teleoperation'),
    ):
        jogger.begin()


def test_joints_that_fall_silent_stop_it(robot_file, ros_env, tmp_path):
    from lingbot_policy.bringup import Deployment, node_specs, Simulation
    from lingbot_policy.nodes.supervisor import Supervisor

    robot = robot_file(FRANKA)
    deployment = Deployment(robot.path, simulation=Simulation('kinematic', width=64, height=48))
    simulation = Supervisor(node_specs(deployment)[:1], ros_env, tmp_path / 'sim')
    simulation.start()
    try:
        with Jogger(robot, SIZE, discovery_s=0.0) as jogger:
            jogger.begin()
            jogger.hold(0.2, never)
            simulation.stop()
            with pytest.raises(JogStopped, match='stale_state'):
                jogger.hold(10.0, never)
    finally:
        simulation.stop()
