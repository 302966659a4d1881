# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Keys and values of the prefix, layer by layer.

``KVBuffer`` is written in place and serves sampling; ``KVGraph`` passes gradients.

Shapes: B batch, K key and value heads, L prefix tokens, h values of a head.
"""

from torch import Tensor

from lingbot_policy.model.config import ExpertConfig


class KVBuffer:
    """
    One buffer (layers, B, K, L, h) each for keys and values.

    A prefix may be shorter than ``length``; the rest stays zero, and whoever attends masks it.

    :param like: a tensor of the dtype and device the buffers take.
    """

    def __init__(self, config: ExpertConfig, batch: int, length: int, like: Tensor):
        shape = (config.layers, batch, config.kv_heads, length, config.head_dim)
        self.keys = like.new_zeros(shape)
        self.values = like.new_zeros(shape)

    def write_prefix(self, layer: int, k_BKLh: Tensor, v_BKLh: Tensor) -> None:
        self.keys[layer, :, :, : k_BKLh.shape[2]] = k_BKLh
        self.values[layer, :, :, : k_BKLh.shape[2]] = v_BKLh

    def of_prefix(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the prefix's keys and values in a layer."""
        return self.keys[layer], self.values[layer]


class KVGraph:
    """Keys and values as nodes of the autograd graph."""

    def __init__(self):
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    def write_prefix(self, layer: int, k_BKLh: Tensor, v_BKLh: Tensor) -> None:
        assert layer == len(self.keys), 'layers are written in order, once'
        self.keys.append(k_BKLh)
        self.values.append(v_BKLh)

    def of_prefix(self, layer: int) -> tuple[Tensor, Tensor]:
        """Return the prefix's keys and values in a layer."""
        return self.keys[layer], self.values[layer]
