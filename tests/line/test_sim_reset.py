# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A simulated robot leaps home only under nobody's commands."""

import pytest

pytestmark = pytest.mark.ros


def test_a_reset_waits_for_the_commands_to_end_and_says_so(start, probe, deployment):
    start(deployment())
    probe.arm()
    probe.wait_motion()

    done, message = probe.call('sim_robot/reset')
    assert not done
    assert message.startswith('commands arrive on ')
    assert '`lingbot operate disarm` first' in message
    probe.wait_chunks(5)

    assert probe.call('chunk_executor/disarm')[0]
    answer = probe.wait('a reset', lambda: (a := probe.call('sim_robot/reset'))[0] and a)
    assert answer[1] == 'joints at home, the task is laid out anew'
    assert probe.call('policy_server/reset')[0]
    probe.arm()
    probe.wait_motion()
    assert 'stopped' not in {event.state for event in probe.events}
