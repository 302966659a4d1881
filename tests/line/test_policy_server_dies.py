# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the policy server in motion: hold, and go on only where nothing has changed."""

import math
import time

import numpy as np
import pytest
from std_msgs.msg import String

from lingbot_policy.bringup import node_specs
from lingbot_policy.decode import stamp_ns
from lingbot_policy.nodes.qos import qos
from lingbot_policy.robot import load_robot

pytestmark = pytest.mark.ros
DEADMAN_S = 1.0
SLACK_S = 3.0  # what a loaded machine may add to the deadman
ROBOT = load_robot('agilex_cobot_magic')


def test_the_arms_hold_within_the_deadman_and_go_on_softly_after_the_restart(
    start, probe, deployment
):
    line = start(deployment(deadman_s=DEADMAN_S, resume_window_s=60.0))
    probe.arm()
    probe.wait_motion()

    killed_ns, known = time.time_ns(), len(probe.events)
    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.kill('policy_server')
    probe.wait_event('holding', 'deadman', after=known)
    first = probe.wait('a command held', lambda: first_held(probe.commands, killed_ns))
    probe.wait('two seconds of holding', lambda: len(probe.commands) > first + 400)
    assert (probe.commands[first].stamp_ns - killed_ns) * 1e-9 < DEADMAN_S + SLACK_S
    rate_hz = ROBOT.file.command_rate_hz
    braking_s = float((ROBOT.max_velocity / ROBOT.max_acceleration).max())
    still = probe.commands[first + math.ceil(braking_s * rate_hz) + 2 :]
    assert np.ptp([c.positions for c in still], axis=0).max() == 0.0
    assert {c.gate_state for c in still} == {'hold'}

    line.is_looked_after = True
    incidents = line.wait_incidents('restarted')
    assert [(i.executable, i.kind) for i in incidents] == [
        ('policy_server', 'died'),
        ('policy_server', 'restarted'),
    ]
    held, known = len(probe.commands), len(probe.events)
    probe.wait_event('moving', after=known)
    probe.wait_motion()
    resumed = [c for c in probe.commands[held:] if c.gate_state in ('command', 'clamp')]
    assert resumed[0].source == 'soft_start'
    path = np.stack([still[-1].positions, *(c.positions for c in resumed)])
    steps = np.abs(np.diff(path[:10], axis=0))
    assert (steps[0] <= 0.06 * ROBOT.step_limit).all()
    assert (steps <= 0.2 * ROBOT.step_limit).all()


def test_a_hold_longer_than_the_resume_window_disarms(start, probe, deployment):
    line = start(deployment(deadman_s=DEADMAN_S, resume_window_s=0.5))
    probe.arm()
    probe.wait_motion()

    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.kill('policy_server')
    disarmed = probe.wait_event('disarmed', 'arm again')
    line.is_looked_after = True
    line.wait_incidents('restarted')

    assert_nothing_follows(probe, disarmed)


def test_another_instruction_after_the_restart_disarms(start, probe, deployment):
    line = start(deployment(deadman_s=DEADMAN_S, resume_window_s=60.0))
    say(probe, 'hand over the block')
    probe.arm()
    probe.wait_motion()

    # Whoever said it is gone, as `ros2 topic pub --once` is: the new server does not hear it.
    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.kill('policy_server')
    probe.wait_event('holding', 'deadman')
    line.is_looked_after = True
    line.wait_incidents('restarted')

    assert_nothing_follows(probe, probe.wait_event('disarmed', 'instruction changed'))


def test_another_contract_after_the_restart_disarms(start, probe, deployment, specs_with):
    wanted = deployment(deadman_s=DEADMAN_S, resume_window_s=60.0)
    line = start(wanted)
    probe.arm()
    probe.wait_motion()

    line.is_looked_after = False  # a fast machine has it back before the deadman
    line.kill('policy_server')
    probe.wait_event('holding', 'deadman')
    start(specs_with(node_specs(wanted), 'policy_server', policy='hold'))

    assert_nothing_follows(probe, probe.wait_event('disarmed', 'contract changed'))


def first_held(commands, since_ns: int) -> int | None:
    """Return the index of the deadman's first command stamped later than ``since_ns``, or None."""
    held = (i for i, c in enumerate(commands) if c.reason.startswith('deadman'))
    return next((i for i in held if commands[i].stamp_ns > since_ns), None)


def say(probe, instruction: str) -> None:
    """Publish an instruction, see it used, and leave."""
    publisher = probe.node.create_publisher(String, 'instruction', qos('instruction'))
    publisher.publish(String(data=instruction))
    probe.wait(
        'a chunk for the instruction',
        lambda: probe.records and probe.records[-1].instruction == instruction,
    )
    probe.node.destroy_publisher(publisher)


def assert_nothing_follows(probe, disarmed) -> None:
    """Chunks come again, and nothing is made of them."""
    probe.wait_chunks(5)
    assert [c for c in probe.commands if c.stamp_ns > stamp_ns(disarmed)] == []
    assert probe.events[-1] is disarmed
