# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Rotary positions, masks and grouped-query attention.

Shapes: B batch, T tokens that ask, L tokens that are asked, H query heads, K key and value
heads, G = H / K query heads per key head, h values of a head. Head j of K serves the query
heads jG .. jG + G - 1. Queries of one key head are laid out as G*T rows, so that one
scaled_dot_product_attention over K heads does grouped attention without copies of keys or values.
"""

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

# Robbyant/lingbot-vla @ 61ef6b1 turns both experts by base 10000, not by the backbone's 1e6.
ROPE_BASE = 10000.0

# Finite in float32 and bfloat16, and beyond every real logit.
MASKED = -1e30


class Rope:
    """
    Cosines and sines of rotary positions, fp32, to be broadcast to (B, T, H, h / 2).

    Neither tuple nor dataclass: sharded training (FSDP2) would look inside and cast the tables to
    bfloat16 with a layer's other inputs.
    """

    def __init__(self, cos: Tensor, sin: Tensor):
        self.cos = cos
        self.sin = sin

    @classmethod
    def by(cls, angles: Tensor) -> 'Rope':
        return cls(angles.cos(), angles.sin())

    def rotate(self, x_BTHh: Tensor) -> Tensor:
        """Return ``x`` with its pairs (i, i + h / 2) turned in fp32, in the dtype of ``x``."""
        first, second = x_BTHh.float().chunk(2, dim=-1)
        turned = (first * self.cos - second * self.sin, second * self.cos + first * self.sin)
        return torch.cat(turned, dim=-1).to(x_BTHh.dtype)


def rope_angles(positions: Tensor, width: int) -> Tensor:
    """Return the angles (*positions.shape, width / 2) by which ``width`` values turn."""
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
    return positions.float()[..., None] * ROPE_BASE**-exponents


def rope_1d(positions_BT: Tensor, width: int) -> Rope:
    """Return the rotation of heads of ``width`` values at ``positions_BT``."""
    return Rope.by(rope_angles(positions_BT, width)[:, :, None])


def positions_of(valid_BT: Tensor) -> Tensor:
    """Return 1-D positions (B, T) counted over valid tokens; padding consumes none."""
    return valid_BT.long().cumsum(dim=1) - 1


def additive_mask(may_attend_BTL: Tensor, group: int, dtype: torch.dtype) -> Tensor:
    """
    Return what is added to the logits, shape (B, 1, G*T, L), or (B, 1, 1, L) if T is 1.

    It is finite: a row with nothing to attend to (a missing camera's depth queries) becomes a
    plain average instead of NaN.
    """
    mask_BTL = torch.zeros(may_attend_BTL.shape, dtype=dtype, device=may_attend_BTL.device)
    mask_BTL = mask_BTL.masked_fill(~may_attend_BTL, MASKED)
    if mask_BTL.shape[1] > 1:
        mask_BTL = mask_BTL.repeat(1, group, 1)
    return mask_BTL[:, None]


def fold_queries(q_BTHh: Tensor, kv_heads: int) -> Tensor:
    """Return queries as rows of their key head, shape (B, K, G*T, h)."""
    batch, tokens, heads, width = q_BTHh.shape
    q_BTKGh = q_BTHh.view(batch, tokens, kv_heads, heads // kv_heads, width)
    return q_BTKGh.permute(0, 2, 3, 1, 4).reshape(batch, kv_heads, -1, width)


def attend(q_BKRh: Tensor, k_BKLh: Tensor, v_BKLh: Tensor, mask: Tensor, group: int) -> Tensor:
    """Return what folded queries (R = G*T rows) gather, shape (B, T, H*h)."""
    q_BKRh, mask = q_BKRh.to(k_BKLh.dtype), mask.to(k_BKLh.dtype)
    out_BKRh = scaled_dot_product_attention(q_BKRh, k_BKLh, v_BKLh, attn_mask=mask)
    batch, kv_heads, rows, width = out_BKRh.shape
    out_BKGTh = out_BKRh.view(batch, kv_heads, group, rows // group, width)
    return out_BKGTh.permute(0, 3, 1, 2, 4).reshape(batch, rows // group, -1)


def suffix_may_attend(valid_BL: Tensor, suffix: int) -> Tensor:
    """
    Return what state and actions may read, (B, suffix, L + suffix).

    The state reads the prefix and itself; the actions read prefix, state and each other.
    """
    is_action = torch.arange(suffix, device=valid_BL.device) > 0
    layout = is_action[:, None] | ~is_action[None, :]
    prefix_BXL = valid_BL[:, None].expand(-1, suffix, -1)
    return torch.cat((prefix_BXL, layout.expand(valid_BL.shape[0], -1, -1)), dim=2)
