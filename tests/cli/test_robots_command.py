# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""``lingbot robots``."""

from pathlib import Path

import pytest

from lingbot_policy.robot import load_robot, robot_names


def test_every_robot_is_listed(lingbot):
    ended = lingbot('robots', COLUMNS='160')
    assert ended.returncode == 0
    for name in robot_names():
        assert name in ended.stdout


@pytest.mark.parametrize('name', robot_names())
def test_show_tells_what_an_operator_needs(lingbot, name):
    robot = load_robot(name)
    shown = lingbot('robots', 'show', name, COLUMNS='240').stdout
    for joint in robot.joints:
        assert joint in shown
    for topic in (*robot.file.state_topics.values(), *robot.file.command_topics.values()):
        assert topic.topic in shown
    for camera in robot.cameras.values():
        assert f'{camera.width}x{camera.height}' in shown
    for step in robot.file.arming:
        assert step.text in shown
    for line in (*robot.file.assumed, *robot.file.drivers, *robot.file.sources):
        assert line in shown
    for command in ('doctor', 'jog', 'up'):
        assert f'lingbot {command} --robot {name}' in shown


def test_show_tells_what_to_type_and_what_raw_cameras_need(lingbot):
    shown = lingbot('robots', 'show', 'agilex_cobot_magic', COLUMNS='240').stdout
    enable = '{"enable_request": true}'
    assert f"ros2 service call /enable_srv piper_msgs/srv/Enable '{enable}'" in shown
    assert 'Raw cameras: 83 MB/s' in shown
    assert 'fastdds_shm.xml' in shown
    motion, others = shown.index('asked for by `lingbot jog`'), shown.index('Assumed, to be')
    assert motion < shown.index('arms.left.max_acceleration') < others
    assert others < shown.index('cameras.head.encoding', others)


def test_check_names_every_fault_of_every_file(lingbot, tmp_path: Path):
    text = Path(load_robot('agilex_cobot_magic').path).read_text()
    sound, faulty, broken = (tmp_path / f'{n}.yaml' for n in ('sound', 'faulty', 'broken'))
    sound.write_text(text)
    faulty.write_text(
        text.replace('command_rate_hz: 200', 'command_rate_hz: fast').replace(
            'link: zenoh', 'link: pigeon'
        )
    )
    broken.write_text('arms: [unclosed')
    ended = lingbot('robots', 'check', sound, faulty, broken, tmp_path / 'gone.yaml')
    assert ended.returncode == 1
    assert 'sound.yaml: sound' in ended.stdout
    for words in ('command_rate_hz', "'fast'", 'link', "'pigeon'", 'broken.yaml: not valid YAML'):
        assert words in ended.stderr
    assert 'gone.yaml: cannot be read' in ended.stderr


def test_check_of_sound_files_succeeds(lingbot):
    files = [load_robot(name).path for name in robot_names()]
    ended = lingbot('robots', 'check', *files)
    assert ended.returncode == 0
    assert ended.stderr == ''
