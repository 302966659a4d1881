# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The Makefile's set-up: what it refuses, what it hides, and that it happens once."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ('make', 'sh', 'env', 'uname', 'g++', 'cmake', 'echo', 'grep', 'ln', 'mkdir', 'touch')
SOURCED = {
    'ROS_DISTRO': 'jazzy',
    'AMENT_PREFIX_PATH': '/opt/ros/jazzy',
    'COLCON_PREFIX_PATH': '/opt/ros/jazzy',
    'CMAKE_PREFIX_PATH': '/opt/ros/jazzy',
    'PYTHONPATH': '/opt/ros/jazzy/lib/python3.12/site-packages',
    'LD_LIBRARY_PATH': '/opt/ros/jazzy/lib',
    'RMW_IMPLEMENTATION': 'rmw_cyclonedds_cpp',
    '_ROS_WHEELS_BOOTSTRAP_COMPLETE': '1',
}


@pytest.fixture
def bare_env() -> dict[str, str]:
    """Return the environment without anything of ROS, of a virtual environment or of make."""
    hidden = {*SOURCED, 'VIRTUAL_ENV', 'MAKEFLAGS', 'MAKELEVEL', 'MFLAGS'}
    return {name: value for name, value in os.environ.items() if name not in hidden}


def make(tree: Path, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ['make', '--no-print-directory', *arguments],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def bare_tree(tmp_path: Path) -> Path:
    """Return a checkout which was never set up, as far as make sees it."""
    for name in ('Makefile', 'constraints.txt', 'setup.py', 'setup.cfg'):
        shutil.copy2(ROOT / name, tmp_path)
    msgs = tmp_path / 'ros2_ws/src/lingbot_msgs'
    msgs.mkdir(parents=True)
    shutil.copy2(ROOT / 'ros2_ws/src/lingbot_msgs/pyproject.toml', msgs)
    return tmp_path


def tools_without(missing: str, folder: Path, python: str) -> Path:
    """Return a folder of links to the tools which the set-up calls, but ``missing``."""
    folder.mkdir()
    for tool in TOOLS:
        if tool != missing:
            (folder / tool).symlink_to(shutil.which(tool))
    if missing != 'python3':
        (folder / 'python3').write_text(f'#!/bin/sh\n{python}\nexec {sys.executable} "$@"\n')
        (folder / 'python3').chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ('missing', 'python', 'package'),
    [
        ('python3', '', 'python3'),
        ('g++', '', 'g++'),
        ('cmake', '', 'cmake'),
        ('', 'case "$2" in *ensurepip*) exit 1;; esac', 'python3-venv'),
        ('', 'case "$2" in *Python.h*) exit 1;; esac', 'python3-dev'),
    ],
)
@pytest.mark.parametrize('target', ['demo', 'test'])
def test_a_missing_tool_is_one_line_which_names_its_package(
    bare_tree: Path, bare_env: dict[str, str], target: str, missing: str, python: str, package: str
):
    tools = tools_without(missing, bare_tree / 'tools', python)
    made = make(bare_tree, bare_env | {'PATH': str(tools)}, target)
    assert made.returncode != 0
    lines = [line for line in made.stderr.splitlines() if not line.startswith('make: ***')]
    assert len(lines) == 1, made.stderr
    assert lines[0].endswith(f'sudo apt install {package}')
    assert not (bare_tree / '.venv').exists()


def test_a_python_which_is_too_old_is_refused_with_a_way_out(
    bare_tree: Path, bare_env: dict[str, str]
):
    old = 'case "$2" in *version_info*) exit 1;; esac'
    tools = tools_without('', bare_tree / 'tools', old)
    made = make(bare_tree, bare_env | {'PATH': str(tools)}, 'setup')
    assert 'make PYTHON=python3.12' in made.stderr


@pytest.mark.parametrize(
    ('default_build', 'has_gpu', 'arguments', 'expected'),
    [
        ('2.13.0+cpu', False, [], 'torch==2.13.0'),
        ('2.13.0', False, [], 'torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu'),
        ('2.13.0', True, [], 'torch==2.13.0'),
        ('2.13.0', False, ['TORCH_INDEX=file:///w'], 'torch==2.13.0 --index-url file:///w'),
    ],
)
def test_torch_comes_as_the_build_which_the_machine_can_use(
    bare_tree: Path,
    bare_env: dict[str, str],
    default_build: str,
    has_gpu: bool,
    arguments: list[str],
    expected: str,
):
    tools = tools_without('', bare_tree / 'tools', '')
    python = bare_tree / '.venv/bin/python'
    python.parent.mkdir(parents=True)
    calls = bare_tree / 'calls'
    report = f'case "$*" in *--report*) echo \'  "version": "{default_build}"\';; esac'
    python.write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{report}\n')
    python.chmod(0o755)
    if has_gpu:
        (tools / 'nvidia-smi').symlink_to(shutil.which('true'))
    made = make(bare_tree, bare_env | {'PATH': str(tools)}, 'setup', *arguments)
    assert made.returncode == 0, made.stderr
    (torch,) = [line for line in calls.read_text().splitlines() if 'deps torch' in line]
    assert torch.endswith(f'--no-deps {expected}')


def test_recipes_do_not_see_a_sourced_ros(bare_tree: Path, bare_env: dict[str, str]):
    made = make(bare_tree, bare_env | SOURCED, 'environment')
    seen = dict(line.split('=', 1) for line in made.stdout.splitlines() if '=' in line)
    assert seen['AMENT_PREFIX_PATH'] == f'{bare_tree}/.venv'
    assert not (SOURCED.keys() - {'AMENT_PREFIX_PATH'}) & seen.keys()
    assert not [line for line in made.stdout.splitlines() if '/opt/ros' in line]


def test_a_set_up_checkout_is_not_set_up_again(bare_tree: Path, bare_env: dict[str, str]):
    venv = bare_tree / '.venv'
    (venv / 'bin').mkdir(parents=True)
    for stamp in ('bin/python', 'packages.done', 'msgs.done', 'project.done'):
        (venv / stamp).touch()
    assert 'Nothing to be done' in make(bare_tree, bare_env, 'setup').stdout
    demo = make(bare_tree, bare_env, '--dry-run', 'demo').stdout.splitlines()
    assert len(demo) == 1 and 'lingbot demo' in demo[0]


@pytest.mark.parametrize(
    ('changed', 'steps'),
    [
        ('constraints.txt', ['installing Python packages']),
        ('ros2_ws/src/lingbot_msgs/msg/New.msg', ['building lingbot_msgs']),
        (
            'ros2_ws/src/lingbot_msgs/pyproject.toml',
            ['installing Python packages', 'building lingbot_msgs'],
        ),
    ],
)
def test_a_changed_input_sets_up_only_what_reads_it(
    bare_tree: Path, bare_env: dict[str, str], changed: str, steps: list[str]
):
    venv = bare_tree / '.venv'
    (venv / 'bin').mkdir(parents=True)
    for stamp in ('bin/python', 'packages.done', 'msgs.done', 'project.done'):
        (venv / stamp).touch()
    source = bare_tree / changed
    source.parent.mkdir(exist_ok=True)
    source.touch()
    later = (venv / 'project.done').stat().st_mtime + 10
    os.utime(source, (later, later))
    planned = make(bare_tree, bare_env, '--dry-run', 'setup').stdout
    assert [
        line[12:-1] for line in planned.splitlines() if line.startswith("echo 'make: ")
    ] == steps


def test_install_ros_refuses_where_none_is_sourced(bare_tree: Path, bare_env: dict[str, str]):
    made = make(bare_tree, bare_env, 'install-ros')
    assert made.returncode != 0
    assert made.stderr.splitlines()[0].endswith('run . /opt/ros/jazzy/setup.bash first')
    assert not (bare_tree / '.venv').exists()


def test_install_ros_refuses_to_mix_with_the_wheels(bare_tree: Path, bare_env: dict[str, str]):
    (bare_tree / '.venv').mkdir()
    made = make(bare_tree, bare_env | SOURCED, 'install-ros')
    assert made.returncode != 0
    assert made.stderr.splitlines()[0].endswith('run make clean first')


def test_an_environment_built_on_ros_wants_it_sourced(bare_tree: Path, bare_env: dict[str, str]):
    (bare_tree / '.venv').mkdir()
    (bare_tree / '.venv/on-ros').touch()
    made = make(bare_tree, bare_env, 'demo')
    assert made.returncode != 0
    assert 'no ROS 2 Jazzy is sourced' in made.stderr


def test_the_help_lists_every_target(bare_tree: Path, bare_env: dict[str, str]):
    listed = make(bare_tree, bare_env).stdout
    for target in ('demo', 'test', 'lint', 'format', 'clean', 'install-ros'):
        assert f'make {target} ' in listed
