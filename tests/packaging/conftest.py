# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for the tests which install the package."""

from pathlib import Path
import shutil

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What building reads. Builds write beside it, so they run on a copy.
SOURCES = (
    'Makefile',
    'constraints.txt',
    'launch',
    'lingbot_policy',
    'lingbot_training',
    'package.xml',
    'pyproject.toml',
    'resource',
    'robot_configs',
    'ros2_ws',
    'scripts',
    'setup.cfg',
    'setup.py',
)


@pytest.fixture(scope='module')
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a build needs, without anything that an earlier build has left."""
    tree = tmp_path_factory.mktemp('source_tree')
    leavings = shutil.ignore_patterns('__pycache__', 'build', 'install', 'log', '*.egg-info')
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=leavings)
        elif source.exists():
            shutil.copy2(source, tree / name)
    return tree
