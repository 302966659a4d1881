# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Stamps, heartbeats and stop buttons, by a clock of the test's own."""

import pytest

from lingbot_policy.execution.interlocks import EmergencyStop, Sign, StampOffsets
from lingbot_policy.robot import load_robot

MS = 1_000_000
ROBOT = load_robot('agilex_cobot_magic')
KEY = next(iter(ROBOT.file.state_topics))


def noted(*offsets_ms: float) -> StampOffsets:
    offsets = StampOffsets(ROBOT)
    for step, offset_ms in enumerate(offsets_ms):
        stamp_ns = 10**18 + step * 5 * MS
        offsets.note(KEY, stamp_ns, stamp_ns + round(offset_ms * MS))
    return offsets


@pytest.mark.parametrize('offset_ms', [25.0, -25.0, 3_600_000.0])
def test_stamps_of_another_clock_are_refused_with_topic_and_remedy(offset_ms):
    with pytest.raises(ValueError, match='off their arrival') as refusal:
        noted(*[offset_ms] * 10).require_true()
    text = str(refusal.value)
    assert ROBOT.file.state_topics[KEY].topic in text
    assert f'{offset_ms * 1e-3:+.3f} s' in text
    assert 'chrony' in text


def test_waiting_on_the_way_is_no_wrong_clock():
    noted(300.0, 80.0, 2.0, 120.0, 45.0, 90.0).require_true()


def test_a_few_messages_prove_nothing():
    noted(500.0, 500.0).require_true()


def test_topics_without_stamps_worth_trusting_are_not_judged():
    offsets = StampOffsets(load_robot('galaxea_r1_pro'))
    offsets.note('nothing of the sort', 0, 10**18)
    offsets.require_true()


def test_a_heartbeat_is_missed_before_the_first_and_after_its_time():
    sign = Sign('recorder', max_age_s=1.0)
    assert sign.missing(0) == 'recorder: never heard'
    sign.heard(1000 * MS)
    assert sign.missing(2000 * MS) == ''
    assert sign.missing(2500 * MS) == 'recorder: silent for 1.5 s'
    sign.heard(2600 * MS)
    assert sign.missing(2700 * MS) == ''


def test_a_pressed_button_and_a_silent_one_stop():
    button = EmergencyStop(max_age_s=0.5)
    assert button.problem(0) == 'estop: never heard'
    button.heard(False, 100 * MS)
    assert button.problem(500 * MS) == ''
    assert button.problem(700 * MS) == 'estop: silent for 0.6 s'
    button.heard(True, 800 * MS)
    assert button.problem(800 * MS) == 'estop: pressed'
    button.heard(False, 900 * MS)
    assert button.problem(900 * MS) == ''
