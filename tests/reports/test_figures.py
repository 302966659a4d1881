# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Figures of recorded runs, and which of them do not hold."""

from dataclasses import replace

import pytest

from lingbot_policy.reports.figures import failures, figures
from lingbot_policy.reports.series import read_series


def test_a_good_run_holds_and_its_figures_are_those_recorded(record_run, robot):
    found = figures(read_series(record_run(), robot))
    assert failures(found) == []
    assert found.chunks == 21
    assert found.chunk_hz == pytest.approx(5.0)
    assert found.longest_without_chunk_s == pytest.approx(0.2)
    assert found.latency_s['infer'] == pytest.approx({'median': 0.030, 'p95': 0.030})
    assert found.latency_s['capture_to_publish']['p95'] == pytest.approx(0.040)
    assert found.commands.rate_hz == pytest.approx(robot.file.command_rate_hz)
    assert found.commands.missed_ticks == 4
    assert found.outside_limits == 0
    assert found.unequal == ()
    assert (found.progress, found.success) == (0.6, False)
    assert found.camera_size == (64, 48)
    for camera in found.cameras.values():
        assert camera.received_share == 1.0
        assert camera.server_share == pytest.approx(1.0, abs=0.02)
        assert camera.fps == pytest.approx(15.0)


@pytest.mark.parametrize(
    ('defect', 'words'),
    [
        ({'lost_commands': 10}, ('bag: /executed_command', '601 published', '541 written')),
        ({'lost': 0.08}, ('camera head', '92.', 'at least 95%')),
        ({'command_rate': 0.97}, ('command rate', '194.', '200 Hz')),
        ({'violations': 3}, ('outside limits', '3', 'expected 0')),
        ({'unwritten': 2}, ('/action_chunk', '23 published', '21 written')),
    ],
)
def test_what_does_not_hold_is_said(record_run, robot, defect, words):
    lines = failures(figures(read_series(record_run(**defect), robot)))
    assert len(lines) == 1 + ('lost' in defect)  # a lost frame is not written either
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    ('hardware_id', 'values', 'missed'),
    [
        ('agilex_cobot_magic', {'namespace': '/'}, 4),
        ('agilex_cobot_magic', {}, 4),
        ('agilex_cobot_magic', {'namespace': '/right'}, 0),
        ('realman_rs02', {'namespace': '/'}, 0),
    ],
)
def test_what_other_robots_say_of_themselves_is_not_taken(
    record_run, robot, hardware_id, values, missed
):
    run = record_run(hardware_id=hardware_id, executor=[values] * 5)
    assert figures(read_series(run, robot)).commands.missed_ticks == missed


def slowed(robot, key: str, rate_hz: float):
    """Return the robot with a command topic that takes fewer commands."""
    topics = robot.file.command_topics
    slower = {**topics, key: topics[key].model_copy(update={'max_rate_hz': rate_hz})}
    return replace(robot, file=robot.file.model_copy(update={'command_topics': slower}))


def test_a_slower_command_topic_is_judged_by_its_own_rate(record_run, robot):
    run = record_run(told={'left': 7})
    found = figures(read_series(run, slowed(robot, 'left', 30.0)))
    told = found.command_topics['/master/joint_left']
    assert (told.published, told.expected, told.every) == (86, 86, 7)
    assert failures(found) == []

    (line,) = failures(figures(read_series(run, slowed(robot, 'left', 50.0))))
    assert line == 'commands on /master/joint_left: 86, expected 150 (1 in 4) within 1%'
    (line,) = failures(figures(read_series(run, robot)))
    assert line == 'commands on /master/joint_left: 86, expected 601 (1 in 1) within 1%'


def test_a_bag_of_another_robots_topics_has_no_figures(record_run, robot):
    other = robot.with_vendor_namespace('/other')
    lines = failures(figures(read_series(record_run(), other, namespace='other')))
    assert any(line.startswith('chunks: 0.00') for line in lines)
    assert any(line.startswith('command rate: 0.00') for line in lines)
    assert any('no report' in line for line in lines)
