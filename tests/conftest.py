# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

from collections.abc import Iterator
import os
from pathlib import Path

from hypothesis import settings
import pytest

from lingbot_policy.isolation import isolated_environment, private_domain

# The same examples each time; `HYPOTHESIS_PROFILE=explore` looks for others.
settings.register_profile('explore', deadline=None)
settings.register_profile('same', deadline=None, derandomize=True)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'same'))


@pytest.fixture
def ros_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Give the test a ROS graph of its own: in os.environ, and as a dict for its subprocesses."""
    for name in ('ROS_STATIC_PEERS', 'ROS_LOCALHOST_ONLY'):
        monkeypatch.delenv(name, raising=False)
    with private_domain() as domain:
        for name, setting in isolated_environment(domain, tmp_path / 'ros_log').items():
            monkeypatch.setenv(name, setting)
        yield dict(os.environ)
