# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Stops, arming, speed, and long holds: what an operator does at the wrong moment."""

from lingbot_policy.commissioning.confirmations import require_confirmed
from lingbot_policy.execution.executor import Mode
from lingbot_policy.execution.interlocks import EmergencyStop, Sign
from lingbot_policy.robot import Robot
from tests.faults.rig import INSTRUCTION, Rig, S
from tests.faults.row import data_row


def watch_button(rig: Rig) -> None:
    """Have a stop button, which is not pressed."""
    rig.button, rig.estop = False, EmergencyStop(max_age_s=0.2)
    rig.run(0.1)


def has_stamps(robot: Robot) -> str:
    stamped = any(topic.stamp == 'header' for topic in robot.file.state_topics.values())
    return '' if stamped else 'its joint states have no stamps'


@data_row('stop', 'the stop is pressed in motion', 'button')
def stop_in_motion(rig: Rig) -> None:
    rig.fault()
    rig.execution.stop('button')
    rig.run(0.8)
    assert rig.execution.mode is Mode.STOPPED


@data_row(
    'stop, refuse to clear', 'the stop is cleared while the arms still brake', 'still braking'
)
def clear_stop_in_motion(rig: Rig) -> None:
    rig.fault()
    rig.execution.stop('button')
    rig.tick()
    rig.clear_stop()
    rig.run(0.8)


@data_row('refuse to arm, stop', 'armed while stopped', 'clear the stop first')
def arm_while_stopped(rig: Rig) -> None:
    rig.fault()
    rig.execution.stop('button')
    rig.arm()
    rig.run(0.8)


@data_row('stop, disarm', 'the stop is released: nothing moves by itself', 'stop cleared')
def stop_released(rig: Rig) -> None:
    rig.fault()
    rig.execution.stop('button')
    rig.run(0.6)
    rig.quiet()
    rig.clear_stop()
    rig.run(0.3)
    assert rig.execution.mode is Mode.DISARMED


@data_row('refuse to arm', 'armed before a policy contract was heard', 'contract', moving=False)
def arm_without_a_contract(rig: Rig) -> None:
    rig.contract = ''
    rig.restart_executor()
    rig.run(0.2)
    rig.fault()
    rig.arm()
    rig.run(0.2)


@data_row('goes on', 'armed a second time in motion')
def arm_in_motion(rig: Rig) -> None:
    rig.fault()
    rig.arm()
    rig.run(0.3)


@data_row('brake, disarm', 'disarmed in motion')
def disarm_in_motion(rig: Rig) -> None:
    rig.quiet()
    rig.fault()
    rig.execution.leave('asked for')
    rig.run(0.8)


@data_row('refuse to arm, brake, disarm', 'armed again while the arms brake to disarm', 'braking')
def arm_while_braking(rig: Rig) -> None:
    rig.quiet()
    rig.fault()
    rig.execution.leave('asked for')
    rig.arm()
    rig.run(0.8)


@data_row('goes on', 'the speed is set to a third in motion')
def speed_changes_in_motion(rig: Rig) -> None:
    rig.fault()
    rig.execution.set_speed(0.3)
    rig.run(0.6)


@data_row('brake, hold, disarm', 'a hold lasts longer than the resume window', 'arm again')
def long_hold(rig: Rig) -> None:
    rig.fault(policy_runs=False)
    rig.run(4.0)


@data_row('resume', 'the server comes back within the resume window')
def server_returns(rig: Rig) -> None:
    rig.policy_runs = False
    rig.run(1.8)
    assert rig.execution.mode is Mode.HOLDING
    rig.fault(policy_runs=True, instruction=INSTRUCTION)
    rig.run(0.8)
    assert rig.execution.mode is Mode.MOVING


@data_row('disarm', 'the executor starts anew', 'never armed')
def executor_restarts(rig: Rig) -> None:
    rig.fault()
    rig.restart_executor()
    rig.run(0.4)


@data_row('refuse to arm', 'fields of the robot file are assumed and unconfirmed', moving=False)
def assumed_fields_unconfirmed(rig: Rig) -> None:
    rig.run(0.2)
    rig.fault()
    rig.arm(lambda: require_confirmed(rig.robot, 'none', True))
    rig.run(0.2)


@data_row('stop', 'the stop button is pressed', 'estop: pressed')
def button_pressed(rig: Rig) -> None:
    watch_button(rig)
    rig.fault(button=True)
    rig.run(0.6)


@data_row('stop', "the stop button's cable is cut", 'estop: silent')
def button_silent(rig: Rig) -> None:
    watch_button(rig)
    rig.fault(button=None)
    rig.run(1.0)


@data_row('refuse to clear', 'the stop is cleared while the button is pressed', 'estop: pressed')
def clear_stop_under_the_button(rig: Rig) -> None:
    watch_button(rig)
    rig.button = True
    rig.run(0.6)
    rig.fault()
    rig.clear_stop()
    rig.run(0.2)


@data_row('brake, hold, resume', 'the recorder is silent in a trial, and comes back', 'recorder')
def recorder_lost_in_a_trial(rig: Rig) -> None:
    rig.recorder = Sign('recorder', 0.3)
    rig.run(0.1)
    rig.fault(records=False)
    rig.run(0.4)
    rig.policy_runs = False
    rig.run(0.5)
    rig.records = rig.policy_runs = True
    rig.run(0.8)


@data_row(
    'refuse to arm',
    'joint states are stamped by a clock 0.1 s late',
    'off their arrival',
    moving=False,
    needs=has_stamps,
)
def stamps_of_another_clock(rig: Rig) -> None:
    rig.quiet()
    rig.fault(stamp_offset_ns=S // 10)
    rig.run(2.0)  # until every message that counts is one of these
    rig.arm()
    rig.run(0.1)
