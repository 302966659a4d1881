# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The command itself: quick to answer, one clear message for a mistake."""

import json
from pathlib import Path
import resource
import subprocess
import sys

import pytest

HEAVY = ('torch', 'rclpy', 'mujoco', 'cv2', 'pydantic', 'numpy', 'rich', 'plotly')


def test_help_imports_nothing_heavy():
    program = (
        'import json, sys; from lingbot_policy.cli.main import main; code = main(["--help"]); '
        'print(json.dumps([code, sorted(name.split(".")[0] for name in sys.modules)]))'
    )
    ended = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True, timeout=60
    )
    code, modules = json.loads(ended.stdout.splitlines()[-1])
    assert code == 0
    assert 'doctor' in ended.stdout
    assert not set(modules) & set(HEAVY)


def test_help_takes_less_than_three_tenths_of_a_second_of_processor_time(lingbot):
    used = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert lingbot('--help').returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(used) < 0.3


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('demo', '--robot', 'agilex'), ("unknown robot 'agilex'", "'agilex_cobot_magic'")),
        (('robots', 'show', 'nobody.yaml'), ('nobody.yaml', 'cannot be read')),
        (('demo', '--policy', 'expret'), ("'expret'", 'expert')),
        (('demo', '--policy', 'lingbot', '--bundle', 'gone'), ('gone', 'no such folder')),
        (('demo', '--seconds', 'ten'), ('--seconds', 'number')),
        (('demo', '--seconds', '1e9'), ('disk', 'GiB free', '--out')),
        (('demo', '--world', 'gazebo'), ('--world', 'mujoco')),
        (('demo', '--strategy', 'fast'), ("'fast'", 'known: sync, replace')),
        (('demo', '--policy', 'expert', '--strategy', 'rtc'), ("'expert'", 'lingbot can')),
        (('up', '--policy', 'hold'), ('--robot',)),
        (('bag', 'info', 'gone'), ('gone', 'no such file')),
        (('bag', 'recover', 'gone'), ('gone', '.mcap')),
        (('import-weights', 'gone', 'out', '--robot', 'arx_lift2'), ('gone', 'no such folder')),
        (('dmeo',), ("'dmeo'", "'demo'")),
    ],
)
def test_a_mistake_ends_with_one_clear_message(lingbot, arguments, words):
    ended = lingbot(*arguments)
    assert ended.returncode == 2
    assert 'Traceback' not in ended.stderr
    for word in words:
        assert word in ended.stderr
    assert ended.stdout == ''


def test_a_bundle_for_another_robot_names_both(lingbot, tmp_path: Path):
    (tmp_path / 'bundle').mkdir()
    (tmp_path / 'bundle' / 'policy.yaml').write_text(
        'policy: lingbot\nrobot: other_robot\njoints: [a]\ncameras: [head]\nhorizon: 50\n'
        'rate_hz: 30.0\n'
    )
    ended = lingbot('doctor', '--bundle', 'bundle', '--json')
    row = next(f for f in json.loads(ended.stdout)['findings'] if f['piece'] == 'policy bundle')
    assert ended.returncode == 1
    assert row['verdict'] == 'no-go'
    assert 'other_robot' in row['found']
    assert 'agilex_cobot_magic' in row['found']


def test_a_folder_in_use_is_not_written_over(lingbot, tmp_path: Path):
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.txt').write_text('precious')
    ended = lingbot('demo', '--out', 'mine', '--world', 'kinematic')
    assert ended.returncode == 2
    assert 'not empty' in ended.stderr
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['thesis.txt']


def test_a_folder_which_may_not_be_made_is_named(lingbot, tmp_path: Path):
    (tmp_path / 'file').write_text('')
    ended = lingbot('demo', '--out', 'file/below', '--world', 'kinematic')
    assert ended.returncode == 2
    assert 'file/below' in ended.stderr
    assert 'Traceback' not in ended.stderr
