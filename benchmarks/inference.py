# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
How long a chunk takes: `python -m benchmarks.inference --size mid`, from the repository's root.

Variants of one call are measured in turns, so that a busy machine slows all of them alike; compare
ratios within a call. Weights are random: speed does not depend on them.
"""

import argparse
from datetime import datetime, UTC
import json
from pathlib import Path
import sys
import time

import numpy as np
import torch

from benchmarks.flops import chunk_flops
from benchmarks.machine import describe, matmul_peak, memory_gb, wait
from benchmarks.sizes import random_model, random_request, size_of, SIZES
from lingbot_policy.model.engine import best_precision, Engine, PATHS, PRECISIONS
from lingbot_policy.model.guidance import VARIANTS
from lingbot_policy.model.preprocess import patches_from_views

RESULTS = Path(__file__).parent / 'results'
# The model itself, unfolded, as `LingBotVLA.sample_actions` runs it.
PLAIN = 'model'


class Variant:
    """One way to make a chunk, and how long its chunks took."""

    def __init__(self, args: argparse.Namespace, config, precision: str, path: str, model):
        self.precision, self.path, self.guidance = precision, path, args.guidance
        self.device, self.steps = args.device, args.steps
        self.warm_ups = args.warm_ups
        self.seconds: list[float] = []
        self.stages: dict[str, list[float]] = {}
        self.request = random_request(config, known=20 if args.guidance else 0)
        self.model = model
        started = time.perf_counter()
        self.engine = None
        if path != PLAIN:
            options = {'path': path, 'guidance': args.guidance}
            self.engine = Engine(model, **options)
        wait(self.device)
        self.configure_s = time.perf_counter() - started

    def measure(self) -> None:
        """Make one chunk and note its time."""
        started = time.perf_counter()
        if self.engine:
            self.engine.chunk([self.request], self.steps)
        else:
            self._plain_chunk()
        self.seconds.append(time.perf_counter() - started)

    def measure_stages(self) -> None:
        """Make one chunk stage by stage, waiting for the device after each."""
        engine = self.engine
        self._last = time.perf_counter()
        engine.write([self.request])
        self._lap('write')
        if 'graph' in self.path:
            engine.observe()
            self._lap('observe')
        else:
            with torch.no_grad():
                images = engine.embed_views()
                self._lap('views')
                engine.encode_prefix(images)
                self._lap('prefix')
            engine.observe()
            self._last = time.perf_counter()
        engine.begin()
        for _ in range(engine.set_grid(self.steps, 'accumulated_fp32')):
            engine.denoise()
            self._lap('step')
        engine.download()
        self._lap('download')

    def row(self, flops: float, peak: float) -> dict:
        """Return what was found; times in ms."""
        ms = np.array(self.seconds[self.warm_ups :]) * 1e3
        p50, p90, p99 = np.percentile(ms, (50, 90, 99))
        stages = {n: round(float(np.median(s)) * 1e3, 3) for n, s in self.stages.items()}
        return {
            'precision': self.precision,
            'path': self.path,
            'guidance': self.guidance,
            'p50_ms': round(p50, 3),
            'p90_ms': round(p90, 3),
            'p99_ms': round(p99, 3),
            'min_ms': round(ms.min(), 3),
            'runs': len(ms),
            'stages_ms': stages,
            'configure_s': round(self.configure_s, 2),
            'peak_share': round(flops / (p50 / 1e3) / peak, 4),
        }

    def _lap(self, stage: str) -> None:
        wait(self.device)
        now = time.perf_counter()
        self.stages.setdefault(stage, []).append(now - self._last)
        self._last = now

    def _plain_chunk(self) -> None:
        request, model = self.request, self.model
        patches, present = patches_from_views(request.views, model.config)
        patches = patches.to(model.vision.patch_embed.weight.dtype)
        state, noise = torch.from_numpy(request.state_S), torch.from_numpy(request.noise_AS)
        parts = (patches, present, request.tokens_T, request.valid_T, state, noise)
        inputs = (part[None].to(self.device) for part in parts)
        model.sample_actions(*inputs, self.steps).cpu()


def launches(variant: Variant) -> int | None:
    """Return how many kernels a chunk launches on the GPU."""
    if variant.device != 'cuda':
        return None
    from torch.profiler import profile, ProfilerActivity

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        variant.measure()
    variant.seconds.pop()
    on_gpu = torch.autograd.DeviceType.CUDA
    return sum(event.device_type == on_gpu for event in profiler.events())


def run(args: argparse.Namespace) -> dict:
    """Return the result of one call: machine, sizes, and a row for each variant."""
    config = size_of(args.size, args.views, args.prompt)
    flops = chunk_flops(config, args.steps)
    before = describe(args.device)
    models, variants = {}, []
    for precision in args.precisions.split(','):
        for path in args.paths.split(','):
            # An engine takes its model over, a plain run wants its own dtype everywhere.
            key = (precision, path == PLAIN)
            if key not in models:
                options = {'exact': ()} if path == PLAIN else {}
                dtype = PRECISIONS[precision]
                models[key] = random_model(config, dtype, args.device, **options)
            variants.append(Variant(args, config, precision, path, models[key]))
    peaks = {p: matmul_peak(args.device, PRECISIONS[p]) for p in args.precisions.split(',')}
    for _ in range(args.runs + args.warm_ups):
        for variant in variants:
            variant.measure()
    for _ in range(min(args.runs, 20)):
        for variant in variants:
            if variant.engine:
                variant.measure_stages()
    rows = []
    for variant in variants:
        row = variant.row(flops, peaks[variant.precision])
        rows.append(row | {'kernels': launches(variant)})
    return {
        'size': args.size,
        'device': args.device,
        'views': args.views,
        'prompt': args.prompt,
        'steps': args.steps,
        'tflop_per_chunk': round(flops / 1e12, 4),
        'matmul_peak_tflops': {name: round(peak / 1e12, 4) for name, peak in peaks.items()},
        'memory_gb': memory_gb(args.device),
        'machine': before,
        'load_average_after': describe(args.device)['load_average'],
        'measured': datetime.now(UTC).isoformat(timespec='seconds'),
        'rows': rows,
    }


def table(result: dict) -> str:
    """Return the result as text."""
    machine = result['machine']
    peaks = ', '.join(f'{n} {p:.3g}' for n, p in result['matmul_peak_tflops'].items())
    lines = [
        f'{result["size"]}, {result["views"]} views, prompt {result["prompt"]}, '
        f'{result["steps"]} steps: {result["tflop_per_chunk"]:.3g} TFLOP a chunk',
        f'{machine.get("gpu", {}).get("name", machine["processor"])}, torch {machine["torch"]}, '
        f'{machine["threads"]} threads, {machine["cpu_instructions"]}, load '
        f'{machine["load_average"][0]} on {machine["cores"]} cores; peak TFLOP/s: {peaks}; '
        f'resident {result["memory_gb"]["resident_peak"]} GB',
        f'{"precision":10} {"path":15} {"guidance":18} {"p50 ms":>9} {"p90":>9} {"p99":>9} '
        f'{"of peak":>8}  stages, ms',
    ]
    for row in result['rows']:
        stages = ' '.join(f'{name} {ms:.3g}' for name, ms in row['stages_ms'].items())
        lines.append(
            f'{row["precision"]:10} {row["path"]:15} {row["guidance"] or "-":18} '
            f'{row["p50_ms"]:9.1f} {row["p90_ms"]:9.1f} {row["p99_ms"]:9.1f} '
            f'{row["peak_share"]:8.1%}  {stages}'
        )
    if machine['load_average'][0] > machine['cores']:
        lines.append('the machine was busy with other work: times are too long, compare ratios')
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description='Measure how long a chunk takes.')
    parser.add_argument('--size', choices=SIZES, default='mid')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument(
        '--precisions',
        default='auto',
        help=f'{", ".join(PRECISIONS)}; auto: reference, and bf16 where the device has it',
    )
    parser.add_argument('--paths', default='model,eager', help=', '.join((PLAIN, *PATHS)))
    parser.add_argument('--guidance', choices=VARIANTS)
    parser.add_argument('--steps', type=int, default=10)
    parser.add_argument('--views', type=int, default=3)
    parser.add_argument('--prompt', type=int, default=72)
    parser.add_argument('--runs', type=int, default=50)
    parser.add_argument('--warm-ups', type=int, default=3)
    parser.add_argument('--threads', type=int)
    parser.add_argument('--out', help=f'name of a JSON file in {RESULTS.name}/')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.precisions == 'auto':
        args.precisions = ','.join(dict.fromkeys(('reference', best_precision(args.device))))
    result = run(args)
    sys.stdout.write(table(result) + '\n')
    if args.out:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f'{args.out}.json').write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
