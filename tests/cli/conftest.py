# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the real command in a process of its own."""

from collections.abc import Callable
import os
from pathlib import Path
import subprocess
import sys

import pytest

Lingbot = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def lingbot(tmp_path: Path) -> Lingbot:
    """Give a function which runs ``lingbot`` in an empty folder and returns how it ended."""

    def run(*arguments: object, timeout: float = 120.0, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, '-m', 'lingbot_policy.cli.main', *map(str, arguments)],
            env={**os.environ, **env},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
