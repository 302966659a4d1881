# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Doctor, in sound and in broken environments."""

import json
from pathlib import Path

from packaging.requirements import Requirement
import pytest

from lingbot_policy.commissioning import environment, environment_probes
from lingbot_policy.robot import load_robot


@pytest.mark.timeout(300)
def test_what_is_missing_is_named_with_its_remedy(lingbot, tmp_path: Path):
    text = Path(load_robot('agilex_cobot_magic').path).read_text()
    mine = tmp_path / 'mine.yaml'
    mine.write_text(text.replace('sensor_msgs/msg/JointState', 'gone_msgs/msg/ArmCommand'))
    ended = lingbot(
        *('doctor', '--json', '--offline', '--robot', mine, '--bundle', tmp_path / 'no_bundle'),
        MUJOCO_GL='bogus',
        ROS_DISTRO='humble',
    )
    assert ended.returncode == 1, ended.stderr
    report = json.loads(ended.stdout)
    assert report['ready'] is False
    missing = {f['piece']: f for f in report['findings'] if f['verdict'] == 'no-go'}
    assert 'bogus' in missing['off-screen graphics']['found']
    assert 'libegl1' in missing['off-screen graphics']['remedy']
    assert 'gone_msgs/msg/ArmCommand' in missing['robot messages']['found']
    assert 'build gone_msgs' in missing['robot messages']['remedy']
    assert 'no_bundle' in missing['policy bundle']['found']
    if 'ROS' in missing:  # on wheels; on a sourced ROS only the distribution is wrong
        assert 'humble' in missing['ROS']['found']
    assert all(finding['remedy'] for finding in missing.values())


@pytest.mark.timeout(300)
def test_this_environment_is_a_go(lingbot):
    ended = lingbot('doctor', COLUMNS='200')
    assert 'no-go' not in ended.stdout, ended.stdout
    assert ended.returncode == 0
    for piece in ('Python', 'rclpy', 'lingbot_msgs', 'off-screen graphics', 'disk'):
        assert piece in ended.stdout


def test_an_unknown_robot_is_a_finding_and_not_the_end():
    known, finding = environment._robot('agilex')
    assert known is None
    assert finding.verdict == 'no-go'
    assert 'did you mean' in finding.found


def test_a_missing_package_and_a_wrong_version_are_told_apart():
    fault = environment._package_fault
    assert fault(Requirement('no-such-package'), {}) == 'no-such-package is missing'
    assert 'needed <1' in fault(Requirement('numpy<1'), {})
    assert fault(Requirement('numpy>1'), {}) is None


def test_segments_of_ended_processes_are_counted(tmp_path: Path):
    (tmp_path / 'fastrtps_0123456789abcdef').write_bytes(bytes(8192))
    (tmp_path / 'fastrtps_port7411').write_bytes(bytes(4096))
    (tmp_path / 'other').write_bytes(bytes(4096))
    assert environment_probes.lingering_segments(tmp_path) == (2, 12288)


def test_a_crash_of_a_piece_is_told_and_survived():
    problem, _ = environment_probes._attempt('import os; os.kill(os.getpid(), 11)')
    assert problem == 'crashed with signal 11'
