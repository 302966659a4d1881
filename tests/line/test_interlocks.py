# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What may stop the arms from outside: a button, the robot's own faults, a lost recorder."""

from collections.abc import Iterator
import threading

import pytest
from std_msgs.msg import Bool

from lingbot_policy.bringup import Deployment, Simulation
from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.qos import qos

pytestmark = pytest.mark.ros
PERIOD_S = 0.05


class Button:
    """A stop button which says twenty times a second whether it is pressed."""

    def __init__(self, node) -> None:
        self.is_pressed = False
        self._publisher = node.create_publisher(Bool, '/button', qos('command'))
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._say, daemon=True)
        self._thread.start()

    def silence(self) -> None:
        self._ends.set()
        self._thread.join()

    def _say(self) -> None:
        while not self._ends.wait(PERIOD_S):
            self._publisher.publish(Bool(data=self.is_pressed))


@pytest.fixture
def button(probe) -> Iterator[Button]:
    found = Button(probe.node)
    yield found
    found.silence()


def cleared(probe) -> None:
    """Clear the stop as soon as that is granted."""

    def is_clear() -> bool:
        return probe.call('chunk_executor/clear_stop')[0]

    probe.wait('a cleared stop', is_clear)


def test_a_button_stops_when_it_is_pressed_and_when_it_falls_silent(
    start, probe, deployment, button
):
    start(deployment(estop_topic='/button', estop_max_age_s=5.0))
    probe.arm()
    probe.wait_motion()

    button.is_pressed = True
    probe.wait_event('stopped', 'estop: pressed')
    success, message = probe.call('chunk_executor/clear_stop')
    assert not success and 'release the button' in message

    button.is_pressed = False
    cleared(probe)
    probe.arm()
    probe.wait_motion()
    button.silence()
    probe.wait_event('stopped', 'estop: silent')


def test_a_fault_of_a_drive_stops_and_is_named(start, probe):
    start(Deployment('realman_rs02', 'hold', simulation=Simulation(world='kinematic')))
    kind = message_type('rm_ros_interfaces/msg/Jointerrorcode')
    topic = '/left_arm_controller/rm_driver/udp_joint_error_code'
    driver = probe.node.create_publisher(kind, topic, qos('command'))
    probe.arm()
    driver.publish(kind(joint_error=[0] * 7, dof=7))
    probe.wait_chunks(5)
    assert not any(event.state == 'stopped' for event in probe.events)

    def says_fault() -> bool:
        driver.publish(kind(joint_error=[0, 0, 8, 0, 0, 0, 0], dof=7))
        return any(event.state == 'stopped' for event in probe.events)

    probe.wait('a stop', says_fault)
    event = probe.wait_event('stopped', 'drive_fault')
    assert topic in event.reason and '8' in event.reason


def test_a_trial_holds_while_nothing_is_recorded(start, probe, tmp_path):
    recorded = Deployment(
        'agilex_cobot_magic',
        'expert',
        record=str(tmp_path / 'bags' / 'trial'),
        simulation=Simulation(world='kinematic'),
        executor={'needs_recorder': True, 'resume_window_s': 60.0},
    )
    line = start(recorded)
    probe.arm()
    probe.wait_motion()

    line.kill('episode_recorder')
    probe.wait_event('holding', 'recorder: silent')
    success, message = probe.call('chunk_executor/disarm')
    assert success, message
    success, message = probe.call('chunk_executor/arm')
    assert not success and 'start the recording first' in message
