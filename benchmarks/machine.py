# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The machine a figure was measured on, and what it can do at best."""

import os
from pathlib import Path
import platform
import resource
import subprocess
import time

import numpy as np
import torch
from torch.nn.functional import linear


def describe(device: str) -> dict:
    """Return hardware, versions, clocks and how busy the machine is."""
    facts = {
        'processor': _processor(),
        'threads': torch.get_num_threads(),
        'cpu_instructions': torch.backends.cpu.get_cpu_capability(),
        'amx_bf16': bool(torch.cpu._is_amx_tile_supported()),
        'avx512_bf16': bool(torch.cpu._is_avx512_bf16_supported()),
        'load_average': [round(load, 2) for load in os.getloadavg()],
        'cores': os.cpu_count(),
        'python': platform.python_version(),
        'torch': torch.__version__,
        'numpy': np.__version__,
    }
    if device == 'cuda':
        query = (
            'name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,temperature.gpu'
        )
        command = ['nvidia-smi', f'--query-gpu={query}', '--format=csv,noheader']
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        values = [value.strip() for value in answer.stdout.split(',')]
        facts['gpu'] = dict(zip(query.split(','), values, strict=False))
        facts['cuda'] = torch.version.cuda
    return facts


def matmul_peak(device: str, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Return the best rate of one large product of weights, in operations per s."""
    side = 8192 if device == 'cuda' else 1024
    x, weight = torch.randn(2, side, side, device=device, dtype=dtype)
    best, ends = float('inf'), time.perf_counter() + seconds
    with torch.no_grad():
        while time.perf_counter() < ends or best == float('inf'):
            started = time.perf_counter()
            linear(x, weight)
            wait(device)
            best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best


def wait(device: str) -> None:
    """Wait until the device has done all it was given."""
    if device == 'cuda':
        torch.cuda.synchronize()


def memory_gb(device: str) -> dict[str, float]:
    """Return GB resident in this process now and at most, and on the device."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    found = {
        'resident': pages * os.sysconf('SC_PAGE_SIZE') / 1e9,
        'resident_peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }
    if device == 'cuda':
        found['device_peak'] = torch.cuda.max_memory_allocated() / 1e9
        found['device_reserved'] = torch.cuda.max_memory_reserved() / 1e9
    return {name: round(value, 3) for name, value in found.items()}


def _processor() -> str:
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.partition(':')[2].strip()
    return platform.processor()
