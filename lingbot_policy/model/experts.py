# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The layers of the two transformers which share their attention.

The vision-language model reads the prefix (images, prompt); the action expert reads the suffix
(state, actions) and attends to both. A layer is two modules around the shared attention, and
both are called, so that hooks (sharding, checkpointing, adapters) fire around all their weights.

Shapes: B batch, T tokens, D width, C condition width, H query heads, K key and value heads,
G = H / K, R = G*T query rows, h values of a head, F MLP width.
"""

import torch
from torch import nn, Tensor
from torch.nn.functional import silu

from lingbot_policy.model.attention import attend, fold_queries, Rope
from lingbot_policy.model.config import ExpertConfig

NORM_EPS = 1e-6


def call_module(module: nn.Module, *args):
    """Run one layer; the engine puts a compiled one of these in its place."""
    return module(*args)


def normalize_rms(x: Tensor) -> Tensor:
    """Return ``x`` over its root mean square along the last axis, in fp32."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + NORM_EPS)


class RMSNorm(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.weight * normalize_rms(x_BTD).to(x_BTD.dtype)


class AdaRMSNorm(nn.Module):
    """RMS norm scaled and shifted by the denoising time (upstream's ``old_adanorm``)."""

    def __init__(self, width: int, condition_width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.modulation = nn.Linear(condition_width, 2 * width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def modulate(self, condition_NC: Tensor) -> Tensor:
        """Return what the time makes of this norm: its scale, then its shift, fp32 (N, 2D)."""
        modulation_NM = self.modulation(condition_NC.to(self.modulation.weight.dtype))
        scale_ND, shift_ND = modulation_NM.float().chunk(2, dim=-1)
        return torch.cat(((1.0 + scale_ND) * self.weight.float(), shift_ND), dim=-1)

    def forward(self, x_BTD: Tensor, modulation_B1M: Tensor) -> Tensor:
        scale_B1D, shift_B1D = modulation_B1M.chunk(2, dim=-1)
        return (scale_B1D * normalize_rms(x_BTD) + shift_B1D).to(x_BTD.dtype)


class BeforeAttention(nn.Module):
    """Norm, and one projection to queries, keys and values."""

    def __init__(self, config: ExpertConfig, condition_width: int | None):
        super().__init__()
        self.config = config
        self.norm = _norm(config.width, condition_width)
        self.qkv = nn.Linear(config.width, (config.heads + 2 * config.kv_heads) * config.head_dim)

    def forward(self, x_BTD: Tensor, rope: Rope, condition_B1C=None, modulation_B1M=None):
        """Return turned queries (B, K, R, h), turned keys (B, K, T, h) and values (B, K, T, h)."""
        heads, kv_heads = self.config.heads, self.config.kv_heads
        x_BTD = _normalize(self.norm, x_BTD, condition_B1C, modulation_B1M)
        qkv_BTNh = self.qkv(x_BTD).unflatten(-1, (-1, self.config.head_dim))
        qk_BTNh, v_BTKh = qkv_BTNh.split((heads + kv_heads, kv_heads), dim=2)
        q_BTHh, k_BTKh = rope.rotate(qk_BTNh).split((heads, kv_heads), dim=2)
        return fold_queries(q_BTHh, kv_heads), k_BTKh.transpose(1, 2), v_BTKh.transpose(1, 2)


class AfterAttention(nn.Module):
    """Output projection, norm and SwiGLU MLP, each added to the residual stream."""

    def __init__(self, config: ExpertConfig, condition_width: int | None):
        super().__init__()
        self.o_proj = nn.Linear(config.heads * config.head_dim, config.width, bias=False)
        self.norm = _norm(config.width, condition_width)
        self.gate_up = nn.Linear(config.width, 2 * config.mlp, bias=False)
        self.down = nn.Linear(config.mlp, config.width, bias=False)

    def forward(self, x_BTD, attended_BTM, condition_B1C=None, modulation_B1M=None) -> Tensor:
        x_BTD = x_BTD + self.o_proj(attended_BTM.to(x_BTD.dtype))
        normed_BTD = _normalize(self.norm, x_BTD, condition_B1C, modulation_B1M)
        gate_BTF, up_BTF = self.gate_up(normed_BTD).chunk(2, dim=-1)
        return x_BTD + self.down(silu(gate_BTF) * up_BTF)


class Layer(nn.Module):
    """The two halves of a layer, and attention to the past and to its own tokens between them."""

    def __init__(self, config: ExpertConfig, condition_width: int | None):
        super().__init__()
        self.group = config.group
        self.before_attention = BeforeAttention(config, condition_width)
        self.after_attention = AfterAttention(config, condition_width)

    def forward(
        self,
        x_BTD: Tensor,
        rope: Rope,
        mask: Tensor,
        past: tuple[Tensor, Tensor] | None = None,
        condition_B1C: Tensor | None = None,
        modulations: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """
        Return the tokens after this layer, and its own keys and values (B, K, T, h).

        :param past: keys and values (B, K, L, h) that are read in front of the layer's own.
        :param modulations: of both norms, (2, B or 1, T or 1, 2D); None: from the condition.
        """
        before, after = (None, None) if modulations is None else modulations.unbind()
        q, k, v = self.before_attention(x_BTD, rope, condition_B1C, before)
        keys, values = k, v
        if past is not None:
            keys, values = (
                torch.cat((old, new.to(old.dtype)), dim=2)
                for old, new in zip(past, (k, v), strict=True)
            )
        attended = attend(q, keys, values, mask, self.group)
        return self.after_attention(x_BTD, attended, condition_B1C, after), k, v


class Expert(nn.Module):
    """
    A stack of layers with a final plain norm.

    :param condition_width: width of the time condition; None for the vision-language model.
    """

    def __init__(self, config: ExpertConfig, condition_width: int | None = None):
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, condition_width) for _ in range(config.layers))
        self.norm = RMSNorm(config.width)

    def modulations(self, condition_NC: Tensor) -> Tensor:
        """
        Return what every norm derives from the time condition, (N, layers, 2, 1, 1, 2D).

        It does not depend on the observation: one call serves all denoising steps.
        """
        per_norm = [
            half.norm.modulate(condition_NC)
            for layer in self.layers
            for half in (layer.before_attention, layer.after_attention)
        ]
        stacked = torch.stack(per_norm, dim=1).unflatten(1, (len(self.layers), 2))
        return stacked[:, :, :, None, None]


def _norm(width: int, condition_width: int | None) -> nn.Module:
    return RMSNorm(width) if condition_width is None else AdaRMSNorm(width, condition_width)


def _normalize(norm, x_BTD, condition_B1C, modulation_B1M) -> Tensor:
    if isinstance(norm, RMSNorm):
        return norm(x_BTD)
    if modulation_B1M is None:
        modulation_B1M = norm.modulate(condition_B1C)
    return norm(x_BTD, modulation_B1M)
