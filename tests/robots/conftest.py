# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The vendors' messages, built where they are missing; the robots, one after the other."""

from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
import subprocess
import sys

import pytest

from lingbot_policy.robot import load_robot, Robot, robot_names

INSTALL = Path(__file__).parents[1] / 'vendor_msgs' / 'install.py'
sys.path.append(str(Path(__file__).parent))  # for wire_table


@pytest.fixture(scope='session', autouse=True)
def vendor_msgs() -> None:
    """Install the message packages of tests/vendor_msgs; nothing to do but the first time."""
    subprocess.run([sys.executable, str(INSTALL)], check=True)
    invalidate_caches()
    if find_spec('genie_msgs') is None:
        pytest.skip('build tests/vendor_msgs by colcon for the ROS that is sourced')


@pytest.fixture(params=robot_names())
def robot(request: pytest.FixtureRequest) -> Robot:
    return load_robot(request.param)
