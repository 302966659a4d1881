# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A stop latches: nothing moves until it is cleared and the arms are armed anew."""

from lingbot_msgs.msg import CommittedPlan
import pytest
from std_msgs.msg import String

from lingbot_policy.nodes.qos import qos

pytestmark = pytest.mark.ros


def test_stopped_arms_stay_stopped_until_the_stop_is_cleared(start, probe, deployment):
    plans: list[CommittedPlan] = []
    probe.node.create_subscription(
        CommittedPlan, 'committed_plan', plans.append, qos('committed_plan')
    )
    start(deployment())
    probe.arm()
    probe.wait_motion()

    assert probe.call('chunk_executor/stop') == (True, 'stopped')
    probe.wait_event('stopped', '~/stop')
    probe.wait_chunks(3)
    braked = probe.commands[-1].positions
    assert plans[-1].steps == 0  # or the next chunk would continue what nobody executes
    assert probe.call('chunk_executor/disarm') == (
        False,
        'stopped (~/stop) and holding; clear the stop, which disarms',
    )
    probe.wait_chunks(3)
    assert probe.commands[-1].positions.tolist() == braked.tolist()
    success, message = probe.call('chunk_executor/arm')
    assert not success
    assert 'clear the stop first' in message

    assert probe.call('chunk_executor/clear_stop')[0]
    cleared = probe.wait_event('disarmed', 'stop cleared')
    probe.wait_chunks(5)
    assert probe.events[-1] is cleared
    probe.arm()
    probe.wait_motion()


def test_a_stop_that_was_there_first_is_heard_by_every_executor(start, probe, deployment):
    button = probe.node.create_publisher(String, 'stop', qos('stop'))
    button.publish(String(data='button 3'))
    line = start(deployment('hold'))

    probe.wait_event('disarmed', 'never armed')
    known = len(probe.events)
    line.kill('chunk_executor')
    line.wait_incidents('restarted')
    probe.wait_event('disarmed', 'never armed', after=known)

    # As long as the button is not discovered, arming may succeed; it does not last.
    def is_refused_for_it() -> bool:
        success, message = probe.call('chunk_executor/arm')
        return not success and 'button 3' in message

    probe.wait('a refusal which names the stop', is_refused_for_it)
