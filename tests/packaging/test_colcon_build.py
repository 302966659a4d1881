# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""`cd ros2_ws && colcon build` gives a workspace which can be sourced and run."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope='module')
def activated() -> dict[str, str]:
    """Return the environment of a shell where colcon finds ROS: sourced, or this environment's."""
    env = os.environ | {'MAKEFLAGS': '-j2'}
    if (Path(sys.prefix) / 'on-ros').exists():
        return env
    env.pop('PYTHONPATH', None)
    return env | {
        'VIRTUAL_ENV': sys.prefix,
        'PATH': f'{sys.prefix}/bin:{os.environ["PATH"]}',
        'AMENT_PREFIX_PATH': sys.prefix,
        'CMAKE_PREFIX_PATH': sys.prefix,
    }


@pytest.fixture(scope='module')
def workspace(source_tree: Path, activated: dict[str, str]) -> Path:
    """Build both packages as the README says, in a copy of the checkout."""
    workspace = source_tree / 'ros2_ws'
    built = subprocess.run(
        ['colcon', 'build'], cwd=workspace, env=activated, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return workspace


def run_sourced(command: str, workspace: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    """Run ``command`` in a shell which has sourced the workspace."""
    return subprocess.run(
        ['bash', '-c', f'. install/setup.bash && {command}'],
        cwd=workspace,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_sourced_workspace_has_both_packages(workspace: Path, activated: dict[str, str]):
    code = (
        'from ament_index_python.packages import get_package_share_directory as share\n'
        'from lingbot_msgs.action import RunTrial\n'
        'from lingbot_msgs.msg import ActionChunk\n'
        'import lingbot_msgs, lingbot_policy\n'
        'for name in ("lingbot_policy", "lingbot_msgs"): print(share(name))\n'
        'for module in (lingbot_policy, lingbot_msgs): print(module.__file__)\n'
    )
    ran = run_sourced(f"python3 -c '{code}'", workspace, activated)
    assert ran.returncode == 0, ran.stderr
    install = f'{workspace}/install/'
    assert all(line.startswith(install) for line in ran.stdout.splitlines()), ran.stdout
    assert len(ran.stdout.splitlines()) == 4


def test_its_executables_lie_where_ros2_run_looks(workspace: Path):
    built = {
        path.name for path in (workspace / 'install/lingbot_policy/lib/lingbot_policy').iterdir()
    }
    assert {path.name for path in (workspace / '../scripts').iterdir()} | {'lingbot'} == built


def test_its_nodes_start(workspace: Path, activated: dict[str, str], ros_env: dict[str, str]):
    node = 'install/lingbot_policy/lib/lingbot_policy/policy_server'
    ran = run_sourced(f'{node} --ros-args -p robot:=no_such_robot', workspace, ros_env | activated)
    assert "unknown robot 'no_such_robot'" in ran.stdout + ran.stderr
