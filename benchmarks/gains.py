# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What each fold saves of a chunk: `python -m benchmarks.gains --size mid`, on a CPU.

A fold's two sides are measured in turns; the share is of a chunk which lacks this fold alone.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
import json
import sys
import time

import numpy as np
import torch
from torch.nn.functional import linear, scaled_dot_product_attention

from benchmarks.inference import RESULTS
from benchmarks.machine import describe
from benchmarks.sizes import random_model, random_request, size_of, SIZES
from lingbot_policy.model.attention import attend, fold_queries
from lingbot_policy.model.engine import Engine
from lingbot_policy.model.flow_matching import euler_grid
from lingbot_policy.model.preprocess import patches_from_views

STEPS = 10


@dataclass(frozen=True)
class Gain:
    """``before`` and ``after`` do the same; None: nothing is left to do in a chunk."""

    name: str
    calls: int
    before: Callable[[], object]
    after: Callable[[], object] | None = None


def gains(engine: Engine) -> list[Gain]:
    """Return all folds of an engine that has run."""
    model, config = engine.model, engine.config
    tower, expert = model.vision, config.expert
    views = random_request(config).views
    frames = torch.from_numpy(np.stack(views))
    x = torch.randn(1, config.horizon, config.max_action_dim)
    embedding = model.time_embedding(torch.tensor([0.5]))
    of_time = engine._embed_actions.of_time(embedding)
    suffix = torch.randn(1, 1 + config.horizon, expert.width)
    layer = model.expert.layers[0]
    qkv = layer.before_attention.qkv
    rows = (expert.heads * expert.head_dim, *2 * (expert.kv_heads * expert.head_dim,))
    separate = list(zip(qkv.weight.split(rows), qkv.bias.split(rows), strict=True))
    gate, up = (half.clone() for half in layer.after_attention.gate_up.weight.chunk(2))
    last = model.vlm.layers[-1].after_attention
    length = config.views * config.tokens_per_view + config.prompt_length
    prefix = torch.randn(1, length, config.vlm.width)
    attended = torch.randn(1, length, config.vlm.heads * config.vlm.head_dim)
    keys = torch.randn(1, expert.kv_heads, length + suffix.shape[1], expert.head_dim)
    q = torch.randn(1, suffix.shape[1], expert.heads, expert.head_dim)
    mask = torch.zeros(1, 1, expert.group * suffix.shape[1], keys.shape[2])

    def patches_in_two_halves():
        patches, _ = patches_from_views(views, config)
        return tower.patch_embed(patches)[:, tower.patch_order]

    def actions_and_time():
        time_BAD = embedding[:, None].expand(-1, config.horizon, -1)
        return model.action_time_mlp_in(torch.cat((model.action_in_proj(x), time_BAD), dim=-1))

    def expanded():
        k = keys.repeat_interleave(expert.group, dim=1)
        heads = q.transpose(1, 2)
        return scaled_dot_product_attention(heads, k, k, mask[:, :, : suffix.shape[1]])

    return [
        Gain(
            'one product embeds grey levels in window order',
            1,
            patches_in_two_halves,
            lambda: engine._embed_patches(frames),
        ),
        Gain(
            'modulations and time embedding in tables',
            1,
            lambda: model.schedule(euler_grid(STEPS)),
        ),
        Gain('vision rotation kept', 1, tower.rope),
        Gain(
            'actions and time: two products in one, time in a table',
            STEPS,
            actions_and_time,
            lambda: engine._embed_actions(x, of_time),
        ),
        Gain(
            'queries, keys and values in one product (expert)',
            STEPS * expert.layers,
            lambda: [linear(suffix, *part) for part in separate],
            lambda: qkv(suffix),
        ),
        Gain(
            'gate and up in one product (expert)',
            STEPS * expert.layers,
            lambda: (linear(suffix, gate), linear(suffix, up)),
            lambda: layer.after_attention.gate_up(suffix),
        ),
        Gain(
            'keys and values never expanded (expert)',
            STEPS * expert.layers,
            expanded,
            lambda: attend(fold_queries(q, expert.kv_heads), keys, keys, mask, expert.group),
        ),
        Gain('last prefix layer ends with its keys', 1, lambda: last(prefix, attended)),
    ]


def median_s(functions: list[Callable], repeats: int) -> list[float]:
    """Return the median time of each, called in turns."""
    seconds = [[] for _ in functions]
    for _ in range(repeats):
        for times, function in zip(seconds, functions, strict=True):
            started = time.perf_counter()
            function()
            times.append(time.perf_counter() - started)
    return [float(np.median(times)) for times in seconds]


@torch.no_grad()
def run(size: str, repeats: int) -> dict:
    config = size_of(size)
    engine = Engine(random_model(config), path='eager')
    request = random_request(config)
    machine = describe('cpu')
    engine.chunk([request], STEPS)
    chunk_s = median_s([lambda: engine.chunk([request], STEPS)], max(5, repeats // 4))[0]
    rows = []
    for gain in gains(engine):
        after = gain.after or (lambda: None)
        before_s, after_s = median_s([gain.before, after], repeats)
        saved_s = gain.calls * (before_s - after_s)
        rows.append(
            {
                'gain': gain.name,
                'saved_ms': round(saved_s * 1e3, 3),
                'share': round(saved_s / (chunk_s + saved_s), 4),
            }
        )
    return {'size': size, 'machine': machine, 'chunk_ms': round(chunk_s * 1e3, 2), 'rows': rows}


def main() -> None:
    parser = argparse.ArgumentParser(description='Measure what each fold saves.')
    parser.add_argument('--size', choices=SIZES, default='mid')
    parser.add_argument('--repeats', type=int, default=40)
    parser.add_argument('--threads', type=int)
    parser.add_argument('--out', help=f'name of a JSON file in {RESULTS.name}/')
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    result = run(args.size, args.repeats)
    sys.stdout.write(f'{result["size"]}: {result["chunk_ms"]} ms a chunk\n')
    for row in result['rows']:
        sys.stdout.write(f'{row["share"]:7.1%} {row["saved_ms"]:9.2f} ms  {row["gain"]}\n')
    if args.out:
        (RESULTS / f'{args.out}.json').write_text(json.dumps(result, indent=1) + '\n')


if __name__ == '__main__':
    main()
