# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Faults after which a running line can go on: its processes killed or stopped, twice there."""

import numpy as np
from std_msgs.msg import String

from lingbot_policy.nodes.encode import message_type
from lingbot_policy.nodes.qos import qos
from lingbot_policy.nodes.supervisor import Supervisor
from tests.faults.process_line import line_specs, ProcessLine
from tests.faults.process_row import process_row

BURST = 2  # commands closer than a fifth of their period; the clock of a busy machine does one


@process_row('hold, resume', 'kill -9 of the policy server; started anew, it goes on', 'deadman')
def server_killed(line: ProcessLine) -> None:
    line.fault()
    line.kill('policy_server')
    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.see('hold', 'deadman')
    line.is_looked_after = True
    line.see('resume')


@process_row('hold, resume', 'SIGSTOP of the policy server beyond the deadman, SIGCONT', 'deadman')
def server_stopped(line: ProcessLine) -> None:
    line.fault()
    with line.frozen('policy_server'):
        line.see('hold', 'deadman')
    line.see('resume')


@process_row('silent, disarm', 'kill -9 of the executor, which comes back disarmed', 'never armed')
def executor_killed(line: ProcessLine) -> None:
    line.fault()
    line.kill('chunk_executor')
    line.see('silent')
    line.see('disarm', 'never armed')


@process_row('silent, goes on', 'SIGSTOP of the executor for 1 s, SIGCONT: no burst, no leap')
def executor_stopped(line: ProcessLine) -> None:
    line.fault()
    with line.frozen('chunk_executor'):
        line.see('silent')
        before = len(line.probe.commands)
    line.see('goes on')
    commands = line.probe.commands[before - 1 :]
    gaps_ns = np.diff([command.stamp_ns for command in commands])
    burst = int((gaps_ns < 0.2e9 / line.robot.file.command_rate_hz).sum())
    assert burst <= BURST, f'{burst} commands in a burst'
    leap = np.abs(commands[1].positions - commands[0].positions)
    assert (leap <= line.robot.step_limit * (1 + 1e-6)).all(), leap


@process_row('hold, resume', 'SIGSTOP of the robot until its state is old, SIGCONT', 'stale_state')
def robot_stopped(line: ProcessLine) -> None:
    line.fault()
    with line.frozen('sim_robot'):
        line.see('hold', 'stale_state')
    line.see('resume')


@process_row('hold', 'kill -9 of the robot: both arms hold, the deployment ends', 'stale_state')
def robot_killed(line: ProcessLine) -> None:
    line.fault()
    line.kill('sim_robot')
    line.see('hold', 'stale_state')
    line.wait('its end is told', lambda: line.has_ended('sim_robot'))


@process_row('goes on', 'kill -9 of the recorder; its end is told')
def recorder_killed(line: ProcessLine) -> None:
    assert line.call('episode_recorder/start')[0]
    line.fault()
    line.kill('episode_recorder')
    line.see('goes on')
    line.wait('its end is told', lambda: line.has_died('episode_recorder'))


@process_row('goes on', 'SIGSTOP of the recorder, SIGCONT')
def recorder_stopped(line: ProcessLine) -> None:
    assert line.call('episode_recorder/start')[0]
    line.fault()
    with line.frozen('episode_recorder'):
        line.see('goes on')
    assert line.call('episode_recorder/discard')[0]


@process_row('goes on', 'the disk fills up while it records; the recording ends and says so')
def disk_full(line: ProcessLine) -> None:
    assert line.call('episode_recorder/start')[0]
    line.fault()
    known = len(line.probe.events)
    ballast = line.folder / 'disk' / 'ballast'
    try:
        with ballast.open('wb', buffering=0) as file:
            while file.write(bytes(2**20)) == 2**20:
                pass
    except OSError:  # no space left: the fault itself
        pass
    line.wait('the end of the recording', lambda: line.recording_ended(known))
    ballast.unlink()
    line.see('goes on')


@process_row('stop', 'a message on the topic `stop` in motion', 'button 3')
def stop_pressed(line: ProcessLine) -> None:
    button = line.probe.node.create_publisher(String, 'stop', qos('stop'))
    line.fault()
    button.publish(String(data='button 3'))
    line.see('stop', 'button 3')
    line.probe.node.destroy_publisher(button)


@process_row('stop', 'a second executor appears', 'others publish commands')
def second_executor(line: ProcessLine) -> None:
    specs = line_specs(line.robot.name, line.folder)
    executor = tuple(spec for spec in specs if spec.executable == 'chunk_executor')
    second = Supervisor(executor, line.env, line.folder / 'second')
    line.fault()
    try:
        second.start()
        line.see('stop', 'another /chunk_executor')
    finally:
        second.stop()


@process_row('stop', 'teleoperation begins to publish commands', 'others publish commands')
def teleoperation_begins(line: ProcessLine) -> None:
    topic = next(iter(line.robot.file.command_topics.values()))
    name = line.robot.topic(topic.topic)
    line.excuse_malformed()  # what it sends is empty
    line.fault()
    publisher = line.probe.node.create_publisher(message_type(topic.type), name, qos('command'))
    publisher.publish(message_type(topic.type)())
    line.see('stop', '/probe')
    line.probe.node.destroy_publisher(publisher)


@process_row('goes on', 'the instruction changes in the middle of a chunk')
def instruction_changes(line: ProcessLine) -> None:
    publisher = line.probe.node.create_publisher(String, 'instruction', qos('instruction'))
    records = line.probe.records
    line.fault()
    publisher.publish(String(data='hand over the green block'))
    line.wait('a chunk for it', lambda: records and 'green' in records[-1].instruction)
    line.see('goes on')
    publisher.publish(String(data=''))
    line.probe.node.destroy_publisher(publisher)


@process_row('disarm', '`~/disarm` in motion', 'asked for')
def disarmed_in_motion(line: ProcessLine) -> None:
    line.fault()
    assert line.call('chunk_executor/disarm')[0]
    line.see('disarm', 'asked for')
