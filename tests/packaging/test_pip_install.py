# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What `pip install .` puts where, and that ROS finds it there."""

from collections.abc import Mapping
import os
from pathlib import Path
import subprocess
import sys
import sysconfig

import pytest

SCRIPTS = sorted(path.name for path in (Path(__file__).parents[2] / 'scripts').iterdir())


@pytest.fixture(scope='module')
def prefix(source_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package, without its dependencies, into a new prefix."""
    prefix = tmp_path_factory.mktemp('prefix')
    command = [sys.executable, '-m', 'pip', 'install', '-qq', '--no-deps', '--no-build-isolation']
    command += ['--no-compile', '--ignore-installed', '--prefix', str(prefix), str(source_tree)]
    installed = subprocess.run(command, capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    return prefix


@pytest.fixture(scope='module')
def site_packages(prefix: Path) -> Path:
    scheme = {'base': str(prefix), 'platbase': str(prefix)}
    return Path(sysconfig.get_path('purelib', 'posix_prefix', vars=scheme))


def before(env: Mapping[str, str], **folders: Path) -> dict[str, str]:
    """Return ``env`` with each folder put before those which the variable has already."""
    added = {name: f'{folder}:{env.get(name, "")}' for name, folder in folders.items()}
    return {**env, **{name: path.removesuffix(':') for name, path in added.items()}}


def run_python(code: str, prefix: Path, site_packages: Path) -> str:
    """Run ``code`` with the installed package before the one of the checkout."""
    env = before(os.environ, PYTHONPATH=site_packages, AMENT_PREFIX_PATH=prefix)
    ran = subprocess.run(
        [sys.executable, '-c', code], env=env, cwd=prefix, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_ament_index_knows_the_package(prefix: Path, site_packages: Path):
    share = run_python(
        'from ament_index_python.packages import get_package_share_directory as share\n'
        'print(share("lingbot_policy"))',
        prefix,
        site_packages,
    )
    assert share == f'{prefix}/share/lingbot_policy'
    assert (prefix / 'share/lingbot_policy/package.xml').is_file()


@pytest.mark.parametrize(
    ('folder', 'pattern'), [('launch', '*_launch.py'), ('robot_configs', '*.yaml')]
)
def test_launch_files_and_robots_are_shared(
    source_tree: Path, prefix: Path, folder: str, pattern: str
):
    expected = {path.name for path in (source_tree / folder).glob(pattern)}
    installed = prefix / 'share/lingbot_policy' / folder
    assert {path.name for path in installed.glob('*')} == expected


def test_every_module_and_data_file_of_the_package_is_installed(
    source_tree: Path, site_packages: Path
):
    wanted = {
        path.relative_to(source_tree)
        for package in ('lingbot_policy', 'lingbot_training', 'robot_configs')
        for path in (source_tree / package).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    assert not {str(path) for path in wanted if not (site_packages / path).is_file()}


def test_every_node_has_an_executable(source_tree: Path):
    nodes = (source_tree / 'lingbot_policy/nodes').glob('*.py')
    assert {path.stem for path in nodes if '\ndef main(' in path.read_text()} == set(SCRIPTS)


@pytest.mark.parametrize('script', SCRIPTS)
def test_an_executable_can_be_run_and_finds_its_node(
    prefix: Path, site_packages: Path, script: str
):
    executable = prefix / 'lib/lingbot_policy' / script
    assert os.access(executable, os.X_OK)
    first, *lines = executable.read_text().splitlines()
    assert first == '#!/usr/bin/env python3'
    (load_main,) = [line for line in lines if line.startswith('from ')]
    where = run_python(
        f'{load_main}\nimport sys; print(sys.modules[main.__module__].__file__)',
        prefix,
        site_packages,
    )
    assert where.startswith(str(site_packages))


def test_an_installed_node_starts_and_names_the_robots_it_knows(
    prefix: Path, site_packages: Path, ros_env: dict[str, str]
):
    env = before(ros_env, PYTHONPATH=site_packages, PATH=Path(sys.executable).parent)
    ran = subprocess.run(
        [prefix / 'lib/lingbot_policy/policy_server', '--ros-args', '-p', 'robot:=no_such_robot'],
        env=env,
        cwd=prefix,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode not in (0, -9)
    assert "unknown robot 'no_such_robot'" in ran.stdout + ran.stderr
    assert 'agilex_cobot_magic' in ran.stdout + ran.stderr


def test_the_command_is_installed(prefix: Path):
    assert os.access(prefix / 'bin/lingbot', os.X_OK)
