# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The Qwen2.5-VL vision tower on views of one fixed size.

A view's patches come in merge order: the m*m patches which become one token are neighbours.
Inside the tower tokens are in window order, so that a window is a contiguous run of patches.

Shapes: N views, P patches of a view, K values of a patch, U tokens of a view (P = U * m * m),
D width, H heads, h values of a head, F MLP width, W windows of a view.
"""

from collections.abc import Callable

import torch
from torch import nn, Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention, silu

from lingbot_policy.model.attention import Rope, rope_angles
from lingbot_policy.model.config import ModelConfig, VisionConfig
from lingbot_policy.model.experts import call_module, RMSNorm


def window_order(grid: int, window: int) -> Tensor:
    """Return the row-major indices of a grid x grid square, window after window, shape (U,)."""
    side = min(grid, window)
    indices = torch.arange(grid * grid, device='cpu').view(grid // side, side, grid // side, side)
    return indices.transpose(1, 2).reshape(-1)


def patch_positions(grid: int, merge: int) -> Tensor:
    """Return row and column of each patch in merge order, shape (P, 2)."""
    rows, columns = torch.meshgrid(*2 * [torch.arange(grid * merge, device='cpu')], indexing='ij')
    squares = torch.stack((rows, columns), dim=-1).view(grid, merge, grid, merge, 2)
    return squares.transpose(1, 2).reshape(-1, 2)


class VisionBlock(nn.Module):
    def __init__(self, config: VisionConfig):
        super().__init__()
        self.heads = config.heads
        self.norm1 = RMSNorm(config.width)
        self.attn_qkv = nn.Linear(config.width, 3 * config.width)
        self.attn_proj = nn.Linear(config.width, config.width)
        self.norm2 = RMSNorm(config.width)
        self.mlp_gate_up = nn.Linear(config.width, 2 * config.mlp)
        self.mlp_down = nn.Linear(config.mlp, config.width)

    def forward(self, x_NPD: Tensor, rope: Rope, windows: int) -> Tensor:
        x_NPD = x_NPD + self.attn_proj(self._attend(self.norm1(x_NPD), rope, windows))
        gate_NPF, up_NPF = self.mlp_gate_up(self.norm2(x_NPD)).chunk(2, dim=-1)
        return x_NPD + self.mlp_down(silu(gate_NPF) * up_NPF)

    def _attend(self, x_NPD: Tensor, rope: Rope, windows: int) -> Tensor:
        """Attend inside each of ``windows`` runs of patches."""
        views, patches, _ = x_NPD.shape
        qkv_NP3Hh = self.attn_qkv(x_NPD).view(views, patches, 3, self.heads, -1)
        q, k = (rope.rotate(x) for x in qkv_NP3Hh[:, :, :2].unbind(dim=2))
        # (N, P, H, h) -> (N * W, H, P / W, h)
        q, k, v = (
            x.reshape(views * windows, patches // windows, self.heads, -1).transpose(1, 2)
            for x in (q, k, qkv_NP3Hh[:, :, 2])
        )
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x_NPD.shape)


class PatchMerger(nn.Module):
    """Join the patches of a token and project them to the language model's width."""

    def __init__(self, config: VisionConfig, out_width: int):
        super().__init__()
        self.joined = config.width * config.merge_size**2
        self.norm = RMSNorm(config.width)
        self.up = nn.Linear(self.joined, self.joined)
        self.down = nn.Linear(self.joined, out_width)

    def forward(self, x_NPD: Tensor) -> Tensor:
        joined_NUM = self.norm(x_NPD).view(x_NPD.shape[0], -1, self.joined)
        return self.down(gelu(self.up(joined_NUM)))


class VisionTower(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        vision = config.vision
        self.head_dim = vision.head_dim
        self.windows = max(1, config.merged_grid // config.window_grid) ** 2
        self.full_attention_layers = vision.full_attention_layers
        self.patch_embed = nn.Linear(vision.patch_values, vision.width, bias=False)
        self.blocks = nn.ModuleList(VisionBlock(vision) for _ in range(vision.layers))
        self.merger = PatchMerger(vision, config.vlm.width)

        # Integers only, so that a change of the model's dtype leaves them exact.
        token_order_U = window_order(config.merged_grid, config.window_grid)
        patches_UM = torch.arange(config.patches_per_view, device='cpu').view(
            -1, vision.merge_size**2
        )
        patch_order_P = patches_UM[token_order_U].flatten()
        positions_P2 = patch_positions(config.merged_grid, vision.merge_size)[patch_order_P]
        self.register_buffer('patch_order', patch_order_P, persistent=False)
        self.register_buffer('row_major', token_order_U.argsort(), persistent=False)
        self.register_buffer('positions', positions_P2, persistent=False)

    def forward(self, patches_NPK: Tensor) -> Tensor:
        """Return the tokens of each view in row-major order, shape (N, U, language width)."""
        x_NPD = self.patch_embed(patches_NPK.to(self.patch_embed.weight.dtype))
        return self.encode(x_NPD[:, self.patch_order], self.rope())

    def encode(self, x_NPD: Tensor, rope: Rope, call: Callable = call_module) -> Tensor:
        """
        Return what ``forward`` does, from embedded patches in window order.

        :param call: runs one block, see ``call_module``.
        """
        for index, block in enumerate(self.blocks):
            windows = 1 if index in self.full_attention_layers else self.windows
            x_NPD = call(block, x_NPD, rope, windows)
        return self.merger(x_NPD)[:, self.row_major]

    def rope(self) -> Rope:
        """Return the rotation by rows in the first half of the pairs, by columns in the rest."""
        angles_P2q = rope_angles(self.positions, self.head_dim // 2)
        return Rope.by(angles_P2q.flatten(1)[:, None])
