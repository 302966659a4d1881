# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What the graph says of a robot against what its file says: go or no-go, and the remedy.

A topic where all is well is one row; otherwise each thing that is wrong is a row of its own.
"""

from collections.abc import Iterator
from dataclasses import replace

from lingbot_policy.commissioning.environment import Finding, GO, NO_GO, NOTE
from lingbot_policy.commissioning.live_facts import CommandFacts, LiveFacts, TopicFacts
from lingbot_policy.commissioning.live_system import (
    as_simulated,
    body_findings,
    domain_finding,
    link_finding,
    policy_findings,
    simulation_findings,
)
from lingbot_policy.commissioning.plausible import doubts, twins
from lingbot_policy.contract import PolicyContract
from lingbot_policy.robot import Robot
from lingbot_policy.robot_schema import Camera, CommandTopic, StateTopic

MAX_OFFSET_S = 0.020
SLOW, FAST = 0.75, 1.25  # of the rate in the file
SILENT_S = 1.0
READABLE = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8', '8UC1', '8UC3', 'jpeg', 'jpg', 'png')
OFFSET_REMEDY = (
    'synchronise the clocks (chrony); if the driver stamps late by nature, say stamp: arrival'
)


def live_findings(
    robot: Robot,
    facts: LiveFacts,
    executor: str,
    bundle: PolicyContract | None = None,
    simulation: bool = False,
) -> list[Finding]:
    """
    Return the rows for a robot on the graph.

    :param executor: full name of our own executor, which may publish commands, once.
    :param bundle: the contract of the bundle that is to be run, if one was given.
    :param simulation: expect a simulated robot, with pictures and rates as it reports them.
    """
    rows = [*simulation_findings(facts, simulation)]
    if simulation:
        robot = as_simulated(robot, facts)
    else:
        facts = replace(facts, simulation={})
        rows += [domain_finding(robot, facts), link_finding(robot, facts)]
    for key, topic in robot.file.state_topics.items():
        rows += _topic(f'state {key}', robot, topic, facts.states[key], facts)
    if doubt := twins(robot, dict(facts.states)):
        rows.append(Finding(doubt.aspect, NO_GO, doubt.found, doubt.remedy))
    for name, camera in robot.cameras.items():
        rows += _topic(f'camera {name}', robot, camera, facts.cameras[name], facts)
    for key, command in robot.file.command_topics.items():
        rows += _command(f'command {key}', robot, command, facts.commands[key], executor)
    return [*rows, *body_findings(robot, facts), *policy_findings(robot, facts.policy, bundle)]


def _topic(
    piece: str, robot: Robot, topic: StateTopic | Camera, found: TopicFacts, facts: LiveFacts
) -> list[Finding]:
    name = robot.topic(topic.topic)
    if not found.publishers:
        aliases = getattr(topic, 'aliases', ())
        there = [alias for alias in aliases if robot.topic(alias) in facts.published]
        said = f'nobody publishes {name}'
        if there:
            said += f', but somebody its alias {robot.topic(there[0])}'
            remedy = f'this firmware calls it so: cameras.{piece.split()[1]}.topic: {there[0]}'
        else:
            remedy = (
                f"start the robot's driver; compare ROS_DOMAIN_ID, network, vendor namespace: "
                f'ros2 topic info {name}'
            )
        return [Finding(f'{piece}: topic', NO_GO, said, remedy)]
    rows = [*_reached(topic, found)]
    if not rows:
        rows = [*_timing(topic, found)]
        check = _picture if isinstance(topic, Camera) else _joints
        rows += check(robot, topic, found, facts)
    if rows:
        return [Finding(f'{piece}: {aspect}', *rest) for aspect, *rest in rows]
    return [Finding(piece, GO, f'{name}: {_summary(topic, found)}')]


def _reached(topic: StateTopic | Camera, found: TopicFacts) -> Iterator[tuple]:
    """Yield what keeps messages from being received and read at all."""
    if len(found.publishers) > 1:
        publishers = ', '.join(found.publishers)
        yield 'publishers', NO_GO, f'{publishers} all publish it', 'end all but the driver'
    if other := sorted(set(found.types) - {topic.type}):
        remedy = 'another driver, or another version of it: correct type in the file'
        yield 'type', NO_GO, f'found {", ".join(other)}, expected {topic.type}', remedy
    elif found.qos:
        remedy = f'correct qos in the file, which says {topic.qos}, or in the driver'
        yield 'QoS', NO_GO, f'incompatible in {found.qos}: nothing arrives', remedy
    elif found.problem:
        remedy = 'compare names, index and transport in the file with: ros2 topic echo --once'
        yield 'content', NO_GO, found.problem, remedy
    elif not found.received:
        remedy = 'it exists and says nothing: restart the driver; for images see docs/bringup.md'
        yield 'rate', NO_GO, 'no message arrived', remedy


def _timing(topic: StateTopic | Camera, found: TopicFacts) -> Iterator[tuple]:
    expected = topic.fps if isinstance(topic, Camera) else topic.rate_hz
    rate = found.rate_hz
    if found.silent_s > SILENT_S:
        yield 'rate', NO_GO, f'silent for {found.silent_s:.1f} s', 'the driver died: restart it'
    elif rate is None or rate < SLOW * expected:
        remedy = (
            "give the camera's process FASTRTPS_DEFAULT_PROFILES_FILE, or take compressed "
            'topics; see docs/bringup.md'
            if isinstance(topic, Camera)
            else "set the driver's rate, or correct rate_hz in the file"
        )
        seen = 'one message' if rate is None else f'{rate:.1f} Hz'
        yield 'rate', NO_GO, f'{seen}, expected {expected:g} Hz', remedy
    elif rate > FAST * expected:
        remedy = 'correct the rate in the file: buffers and ages are made for it'
        yield 'rate', NOTE, f'{rate:.1f} Hz, expected {expected:g} Hz', remedy
    if found.offset_s is not None and abs(found.offset_s) > MAX_OFFSET_S:
        late = f'arrival minus stamp is {found.offset_s * 1e3:+.1f} ms, limit 20 ms'
        yield 'stamps', NO_GO, late, OFFSET_REMEDY


def _joints(
    robot: Robot, topic: StateTopic, found: TopicFacts, facts: LiveFacts
) -> Iterator[tuple]:
    if topic.names and found.names and tuple(found.names) != tuple(topic.names):
        same = sorted(found.names) == sorted(topic.names)
        what = 'the same names in another order' if same else 'other names'
        said = f'{what}: found {list(found.names)}, expected {list(topic.names)}'
        yield 'names', NO_GO, said, 'correct names and index in the file: the order decides'
    for doubt in doubts(robot, found, may_be_zero=bool(facts.simulation)):
        yield doubt.aspect, NO_GO if doubt.is_wrong else NOTE, doubt.found, doubt.remedy


def _picture(robot: Robot, camera: Camera, found: TopicFacts, facts: LiveFacts) -> Iterator[tuple]:
    if found.size != (camera.width, camera.height):
        size = 'x'.join(map(str, found.size or ()))
        said = f'{size}, expected {camera.width}x{camera.height}'
        yield 'size', NO_GO, said, 'set the driver, or width and height in the file'
    if camera.transport == 'raw' and found.encoding != camera.encoding:
        readable = found.encoding in READABLE
        said = f'found {found.encoding}, the file says {camera.encoding}'
        remedy = 'it is read as the message says; correct the file' if readable else 'set rgb8'
        yield 'encoding', NOTE if readable else NO_GO, said, remedy


def _command(
    piece: str, robot: Robot, topic: CommandTopic, found: CommandFacts, executor: str
) -> list[Finding]:
    name = robot.topic(topic.topic)
    ours = [executor] if executor in found.publishers else []
    others = list(found.publishers)
    for each in ours:
        others.remove(each)
    idle = [o for o in others if {o, o.rpartition('/')[2]} & set(topic.allowed_idle_publishers)]
    others = [other for other in others if other not in idle]
    rows = []
    if others:
        stop = robot.file.teleoperation.stop if robot.file.teleoperation else 'end them'
        rows.append(('publishers', NO_GO, f'{", ".join(others)} publish {name}', stop))
    if wrong := sorted(set(found.types) - {topic.type}):
        said = f'{", ".join(found.subscribers)} expect {", ".join(wrong)}, not {topic.type}'
        rows.append(('type', NO_GO, said, "correct type in the file, or the driver's version"))
    elif found.qos:
        said = f'{", ".join(found.subscribers)} would hear nothing: {found.qos}'
        rows.append(('QoS', NO_GO, said, 'set the QoS of the driver'))
    elif not found.subscribers:
        remedy = 'start the driver; some subscribe only once they are armed'
        rows.append(('subscribers', NOTE, f'nobody listens on {name}', remedy))
    if rows:
        return [Finding(f'{piece}: {aspect}', *rest) for aspect, *rest in rows]
    said = f'{name}: {", ".join(found.subscribers)} listens'
    return [Finding(piece, GO, said + ''.join(f'; {each} publishes' for each in ours + idle))]


def _summary(topic: StateTopic | Camera, found: TopicFacts) -> str:
    parts = [f'{found.rate_hz:.1f} Hz']
    if found.offset_s is not None:
        parts.append(f'stamps {found.offset_s * 1e3:.1f} ms old')
    if isinstance(topic, Camera):
        parts.append(f'{topic.width}x{topic.height} {found.encoding}')
    else:
        parts.append(f'{len(found.slots)} joints')
    return ', '.join(parts)
