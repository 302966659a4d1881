# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Which machine and which versions a result came from."""

import importlib.metadata as metadata
import os
from pathlib import Path
import platform

import psutil

PACKAGES = (
    'lingbot_policy',
    'ros-rclpy',
    'torch',
    'transformers',
    'mujoco',
    'numpy',
    'rosbags',
    'plotly',
)


def hardware() -> dict:
    """Return processor, usable cores, memory, system and present load of this machine."""
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'load_average': round(os.getloadavg()[0], 1),
        'memory_gib': round(psutil.virtual_memory().total / 2**30, 1),
        'system': f'{platform.system()} {platform.release()} {platform.machine()}',
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages which bear on a result; those installed only."""
    found = {'python': platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(':')[2].strip() for line in lines if line.startswith('model name')]
    return named[0] if named else platform.processor()
