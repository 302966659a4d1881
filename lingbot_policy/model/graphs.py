# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs of the engine's two stages: the observation once, a denoising step N times."""

from collections.abc import Callable

import torch

WARM_UPS = 3


def capture(
    encode: Callable[[], None], steps: list[Callable[[], None]]
) -> tuple[Callable[[], None], list[Callable[[], None]]]:
    """
    Return replays of ``encode`` and of each of ``steps``.

    All functions read and write fixed memory only; what ``encode`` leaves is read by ``steps``.
    They share one pool, so they must be replayed one after another, ``encode`` first.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            encode()
            for step in steps:
                step()
    torch.cuda.current_stream().wait_stream(stream)
    pool = torch.cuda.graph_pool_handle()
    graphs = []
    for function in (encode, *steps):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            function()
        graphs.append(graph)
    return graphs[0].replay, [graph.replay for graph in graphs[1:]]
