# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How far each path is from the float32 model: `python -m benchmarks.numerics --size mid`.

Exit code 1 if a path misses the gate. ``model`` in bf16 rounds every weight, as the released
deployment does: an engine in bf16 must not be worse than 1.25 times that.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
import json
import sys

import numpy as np
import torch

from benchmarks.inference import PLAIN, RESULTS
from benchmarks.machine import describe
from benchmarks.sizes import random_model, random_request, size_of, SIZES
from lingbot_policy.model.buffers import Request
from lingbot_policy.model.engine import Engine, PATHS, PRECISIONS
from lingbot_policy.model.flow_matching import TIME_GRIDS
from lingbot_policy.model.preprocess import patches_from_views

GRID = TIME_GRIDS[0]
# A camera that goes must move the chunk by so many standard deviations, or nothing is measured.
LIVELY_SD = 0.1
UPSTREAM_FACTOR = 1.25

Sample = Callable[[Request, int, str], np.ndarray]


@dataclass(frozen=True)
class Limits:
    """Largest differences of a chunk from the float32 model's, in its standard deviations."""

    mean: float
    largest: float
    cosine: float


GATE = {'reference': Limits(1e-5, 1e-4, 1 - 1e-8), 'bf16': Limits(1e-2, 5e-2, 0.9999)}


def plain(model) -> Sample:
    """Return the model's own sampling."""

    def sample(request: Request, steps: int, time_grid: str) -> np.ndarray:
        device, dtype = model.embed_tokens.weight.device, model.embed_tokens.weight.dtype
        patches, present = patches_from_views(request.views, model.config)
        state, noise = torch.from_numpy(request.state_S), torch.from_numpy(request.noise_AS)
        parts = (patches.to(dtype), present, request.tokens_T, request.valid_T, state, noise)
        inputs = (part[None].to(device) for part in parts)
        return model.sample_actions(*inputs, steps, time_grid)[0].float().cpu().numpy()

    return sample


def by_engine(engine: Engine) -> Sample:
    return lambda request, steps, time_grid: engine.chunk([request], steps, time_grid)[0]


def differences(found: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Return mean and largest difference in standard deviations of ``expected``, and cosine."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    error = np.abs(found - expected) / expected.std()
    norms = np.linalg.norm(found) * np.linalg.norm(expected)
    return {
        'mean_sd': float(error.mean()),
        'max_sd': float(error.max()),
        'cosine': float((found * expected).sum() / norms),
    }


def compare(sample: Sample, requests: list[Request], expected: dict, time_grid: str) -> dict:
    """Return the differences of the first velocity and of the chunk, over all requests."""
    noise = np.stack([request.noise_AS for request in requests])
    velocity = noise - np.stack([sample(request, 1, GRID) for request in requests])
    chunk = np.stack([sample(request, 10, time_grid) for request in requests])
    return {
        'velocity': differences(velocity, noise - expected['one_step']),
        'chunk': differences(chunk, expected['chunk']),
    }


def run(size: str, device: str, paths: list[str], seeds: int) -> dict:
    """Return the machine, how lively the model is, and a row for each path and time grid."""
    config = size_of(size)
    requests = [random_request(config, n, missing=(1,) * (n % 2)) for n in range(seeds)]
    reference = random_model(config, torch.float32, device)
    exact = plain(reference)
    expected = {
        'one_step': np.stack([exact(request, 1, GRID) for request in requests]),
        'chunk': np.stack([exact(request, 10, GRID) for request in requests]),
    }
    whole, blind = (exact(random_request(config, 0, missing), 10, GRID) for missing in ((), (1,)))
    rows = [
        {'precision': 'reference', 'path': PLAIN, 'time_grid': grid}
        | compare(exact, requests, expected, grid)
        for grid in TIME_GRIDS[1:]
    ]
    for precision, dtype in PRECISIONS.items():
        if precision != 'reference':
            rounded = random_model(config, dtype, device, exact=())
            row = {'precision': precision, 'path': PLAIN, 'time_grid': GRID}
            rows.append(row | compare(plain(rounded), requests, expected, GRID))
            del rounded
        model = reference if precision == 'reference' else random_model(config, dtype, device)
        for path in paths:
            row = {'precision': precision, 'path': path, 'time_grid': GRID}
            sample = by_engine(Engine(model, path=path))
            rows.append(row | compare(sample, requests, expected, GRID))
    return {
        'size': size,
        'device': device,
        'seeds': seeds,
        'machine': describe(device),
        'a_camera_moves_sd': float(np.abs(whole - blind).mean() / whole.std()),
        'rows': rows,
    }


def faults(result: dict) -> list[str]:
    """Return one line for each path which misses the gate."""
    lines = []
    moved = result['a_camera_moves_sd']
    if moved < LIVELY_SD:
        lines.append(f'a camera moves the chunk by {moved:.3g} sd, expected {LIVELY_SD}')
    rounded = {
        row['precision']: row['chunk']['mean_sd']
        for row in result['rows']
        if row['path'] == PLAIN and row['time_grid'] == GRID
    }
    for row in result['rows']:
        if row['path'] == PLAIN:
            continue
        name, chunk = f'{row["precision"]} {row["path"]}', row['chunk']
        limits = GATE[row['precision']]
        for key, limit in (('mean_sd', limits.mean), ('max_sd', limits.largest)):
            if not chunk[key] <= limit:
                lines.append(f'{name}: chunk {key} {chunk[key]:.3g}, expected {limit:g} at most')
        if not chunk['cosine'] >= limits.cosine:
            lines.append(f'{name}: cosine {chunk["cosine"]:.8f}, expected {limits.cosine:.8f}')
        upstream = rounded.get(row['precision'])
        if upstream is not None and not chunk['mean_sd'] <= UPSTREAM_FACTOR * upstream:
            lines.append(f'{name}: {chunk["mean_sd"] / upstream:.3g} times the rounded model')
    return lines


def table(result: dict) -> str:
    """Return the result as text; differences in standard deviations of the chunk."""
    lines = [
        f'{result["size"]} on {result["device"]}, {result["seeds"]} observations; a camera moves '
        f'the chunk by {result["a_camera_moves_sd"]:.2g} sd',
        f'{"precision":10} {"path":15} {"time grid":17} {"velocity mean":>13} {"max":>9} '
        f'{"chunk mean":>11} {"max":>9} {"1 - cosine":>11}',
    ]
    for row in result['rows']:
        velocity, chunk = row['velocity'], row['chunk']
        lines.append(
            f'{row["precision"]:10} {row["path"]:15} {row["time_grid"]:17} '
            f'{velocity["mean_sd"]:13.2e} {velocity["max_sd"]:9.1e} {chunk["mean_sd"]:11.2e} '
            f'{chunk["max_sd"]:9.1e} {1 - chunk["cosine"]:11.1e}'
        )
    return '\n'.join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description='Compare every path with the float32 model.')
    parser.add_argument('--size', choices=SIZES, default='tiny')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--paths', default='eager', help=', '.join(PATHS))
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--out', help=f'name of a JSON file in {RESULTS.name}/')
    args = parser.parse_args()
    result = run(args.size, args.device, args.paths.split(','), args.seeds)
    sys.stdout.write(table(result) + '\n')
    if args.out:
        (RESULTS / f'{args.out}.json').write_text(json.dumps(result, indent=1) + '\n')
    found = faults(result)
    sys.stdout.write('\n'.join([*found, 'gate: missed' if found else 'gate: passed']) + '\n')
    return bool(found)


if __name__ == '__main__':
    sys.exit(main())
