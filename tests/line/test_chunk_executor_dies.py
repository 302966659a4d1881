# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the chunk executor in motion: whoever comes after it starts disarmed."""

import pytest

pytestmark = pytest.mark.ros


def received(probe) -> int:
    """Return how many commands the robot has received."""
    return sum(topic['messages'] for topic in probe.sim['commands'].values())


def test_a_restarted_executor_is_silent_until_it_is_armed(start, probe, deployment):
    line = start(deployment())
    probe.arm()
    probe.wait_motion()

    line.kill('chunk_executor')
    known = len(probe.events)
    incidents = line.wait_incidents('restarted')
    assert [i.kind for i in incidents] == ['died', 'restarted']
    probe.wait_event('disarmed', 'never armed', after=known)
    sent, heard = len(probe.commands), received(probe)
    probe.wait('a report of the robot', lambda: received(probe) >= heard)
    probe.wait_chunks(10)
    reports = probe.sim
    probe.wait('a newer report', lambda: probe.sim is not reports)
    assert len(probe.commands) == sent
    heard_before_arming = received(probe)

    probe.arm()
    probe.wait_motion()
    assert heard_before_arming <= sent * 2  # two command topics
    probe.wait('commands at the robot', lambda: received(probe) > heard_before_arming)
