# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The tests' own fixture: no test shares its ROS graph."""

import os
from pathlib import Path
import subprocess
import sys

from lingbot_policy.isolation import DOMAINS, private_domain


def test_a_test_has_a_domain_which_nobody_else_gets(ros_env: dict[str, str]):
    own = int(ros_env['ROS_DOMAIN_ID'])
    with private_domain() as other:
        assert own in DOMAINS
        assert own != other


def test_nodes_in_and_below_the_test_see_its_domain(ros_env: dict[str, str], tmp_path: Path):
    code = 'import os; print(os.environ["ROS_DOMAIN_ID"], os.environ["ROS_LOG_DIR"])'
    ran = subprocess.run([sys.executable, '-c', code], env=ros_env, capture_output=True, text=True)
    assert ran.stdout.split() == [ros_env['ROS_DOMAIN_ID'], str(tmp_path / 'ros_log')]
    assert os.environ['ROS_DOMAIN_ID'] == ros_env['ROS_DOMAIN_ID']
    assert ros_env['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
