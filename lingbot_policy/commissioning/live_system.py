# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What stands around the topics of a live robot: its domain and link, its body, a policy."""

from collections.abc import Iterator
from dataclasses import replace

from lingbot_policy.commissioning.environment import Finding, GO, NO_GO, NOTE
from lingbot_policy.commissioning.live_facts import BodyFacts, LiveFacts, PolicyFacts
from lingbot_policy.contract import parse_contract, PolicyContract
from lingbot_policy.robot import Robot
from lingbot_policy.robot_faults import OURS
from lingbot_policy.robot_schema import BodyGroup

HAZARD = 'a Jazzy node can crash the nodes of an old Humble robot by discovery alone'
CHECK = 'an operator has to have checked its packages, else zenoh: docs/links.md, native'


def domain_finding(robot: Robot, facts: LiveFacts) -> Finding:
    """Return the row about ROS_DOMAIN_ID: the robot's where native, another behind a bridge."""
    hint = robot.file.domain_hint
    found = f'ROS_DOMAIN_ID {facts.domain}'
    if hint is None:
        return Finding('domain', GO, f'{found}; the robot file names none')
    if robot.file.link == 'native' and str(hint) != facts.domain:
        remedy = f'export ROS_DOMAIN_ID={hint}'
        return Finding('domain', NO_GO, f"{found}, the robot's is {hint}", remedy)
    if robot.file.link != 'native' and str(hint) == facts.domain:
        remedy = 'take another one on our side of the bridge; see docs/links.md'
        return Finding('domain', NO_GO, f"{found} is the robot's own: {HAZARD}", remedy)
    return Finding('domain', GO, f"{found}, the robot's is {hint}, link {robot.file.link}")


def link_finding(robot: Robot, facts: LiveFacts) -> Finding:
    """Return the row about the link: who of an older ROS shares this domain with us."""
    file = robot.file
    found = f'{file.link}, drivers for ROS 2 {file.ros_distro}'
    if file.link != 'native':
        seen = f'{found}: what is seen here is the near side of a bridge or relay'
        remedy = 'who else commands the robot beyond it cannot be seen: look there, docs/links.md'
        return Finding('link', NOTE, seen, remedy)
    if facts.older:
        found += f'; {", ".join(facts.older)} are of ROS 2 Humble or older'
    if facts.older or file.ros_distro != OURS:
        return Finding('link', NOTE, f'{found}: {HAZARD}', CHECK)
    return Finding('link', GO, found)


def simulation_findings(facts: LiveFacts, is_expected: bool) -> Iterator[Finding]:
    """Yield the row about a simulated robot, where there is one or one was expected."""
    report = facts.simulation
    if not report:
        if is_expected:
            remedy = 'start one; lingbot demo says its ROS_DOMAIN_ID'
            yield Finding('simulation', NO_GO, 'nobody publishes sim_report', remedy)
        return
    width, height = report['size']
    found = (
        f'a simulated robot, scaled: {width}x{height} at {report["fps"]:g} Hz, joints at '
        f'{report["state_hz"]:g} Hz'
    )
    if is_expected:
        yield Finding('simulation', GO, f'{found}; no row is true of a real one')
    else:
        yield Finding('simulation', NOTE, found, 'give --simulation to expect what it sends')


def as_simulated(robot: Robot, facts: LiveFacts) -> Robot:
    """Return the robot with the rates and pictures that its simulation says it sends."""
    report = facts.simulation
    if not report:
        return robot
    (width, height), fps = report['size'], report['fps']
    pictures = {'width': width, 'height': height, 'fps': fps}
    file = robot.file
    cameras = {name: each.model_copy(update=pictures) for name, each in file.cameras.items()}
    states = {
        key: topic.model_copy(update={'rate_hz': report['state_hz']})
        for key, topic in file.state_topics.items()
    }
    changes = {'cameras': cameras, 'state_topics': states}
    return replace(robot, file=file.model_copy(update=changes))


def body_findings(robot: Robot, facts: LiveFacts) -> list[Finding]:
    """Return a row for each group of joints beside the arms."""
    return [
        _body(robot, name, group, facts.bodies.get(name, BodyFacts()))
        for name, group in robot.file.body.items()
    ]


def _body(robot: Robot, name: str, group: BodyGroup, found: BodyFacts) -> Finding:
    piece = f'body {name}'
    if group.role == 'command':
        remedy = 'no policy here moves it: role hold or ignore'
        return Finding(f'{piece}: role', NO_GO, 'the file says command', remedy)
    said = []
    for topic, types in ((group.state, found.state_types), (group.command, found.command_types)):
        if topic and (other := sorted(set(types) - {topic.type})):
            where = robot.topic(topic.topic)
            seen = f'{where}: found {", ".join(other)}, expected {topic.type}'
            return Finding(f'{piece}: type', NOTE, seen, f'correct body.{name} in the file')
    if group.state:
        where = robot.topic(group.state.topic)
        if not found.state_publishers:
            remedy = f'start its driver, or correct body.{name}.state: nobody here reads it'
            return Finding(f'{piece}: topic', NOTE, f'nobody publishes {where}', remedy)
        said.append(f'{", ".join(found.state_publishers)} publishes {where}')
    if group.command:
        where, movers = robot.topic(group.command.topic), ', '.join(found.command_publishers)
        if group.role == 'hold' and movers:
            remedy = 'end it: the body has to stand still while the arms work'
            seen = f'{movers} may move it: publishes {where}'
            return Finding(f'{piece}: publishers', NOTE, seen, remedy)
        said.append(f'{movers or "nobody"} publishes {where}')
    return Finding(piece, GO, '; '.join([group.role, *said]))


def policy_findings(
    robot: Robot, facts: PolicyFacts, bundle: PolicyContract | None
) -> Iterator[Finding]:
    """
    Yield a row where a policy server runs: does its contract fit the robot, and the bundle.

    :param bundle: the contract of the bundle that is to be run, if one was given.
    """
    if not facts.publishers:
        return
    names = ', '.join(facts.publishers)
    if len(facts.publishers) > 1:
        remedy = 'end all but one: the executor takes chunks of the contract it heard last'
        yield Finding('policy contract', NO_GO, f'{names} all publish one', remedy)
        return
    if not facts.contract:
        remedy = 'wait until it is active, and look again'
        yield Finding('policy contract', NOTE, f'{names} has said nothing yet', remedy)
        return
    try:
        contract = parse_contract(facts.contract, 'policy_contract')
        contract.require(robot)
    except ValueError as error:
        yield Finding('policy contract', NO_GO, str(error), f'restart {names} for this robot')
        return
    found = f'{names}: {contract.policy} {contract.digest} fits {robot.name}'
    if bundle is None:
        yield Finding('policy contract', GO, found)
    elif bundle.digest == contract.digest:
        yield Finding('policy contract', GO, f'{found}, and is that of the bundle')
    else:
        lines = '; '.join(contract.differences(bundle))
        said = f'{names} runs another policy than the bundle: {lines}'
        yield Finding('policy contract', NO_GO, said, f'restart {names} with this bundle')
