# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Depth queries: tokens in the prefix from which a head predicts depth features.

One group of queries per view stands between images and prompt. A group reads its own view only;
images and prompt never read queries; state and actions read all of them. The head is needed for
its training loss alone, the queries always.

Shapes: B batch, V views, N = B*V, Q query tokens, E bank tokens, L prefix tokens, D language
width, K context tokens of a view (image tokens and queries), H heads, h values of a head.
"""

import torch
from torch import nn, Tensor
from torch.nn.functional import gelu, scaled_dot_product_attention, smooth_l1_loss

from lingbot_policy.model.config import ModelConfig

# The released depth weights lack the query bank (upstream never trained nor saved it and drew
# another one at every start): any draw is as right, this seed makes ours repeatable.
QUERY_BANK_SEED = 42


def draw_query_bank(bank_tokens: int, width: int) -> Tensor:
    """Return the standard normal bank (E, D) of ``QUERY_BANK_SEED``."""
    generator = torch.Generator('cpu').manual_seed(QUERY_BANK_SEED)
    return torch.randn(bank_tokens, width, generator=generator, device='cpu')


class PerceiverLayer(nn.Module):
    """Latents attend to context and themselves, then pass an MLP."""

    def __init__(self, width: int, heads: int, head_dim: int, mlp: int):
        super().__init__()
        self.heads = heads
        self.context_norm = nn.LayerNorm(width)
        self.latent_norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, heads * head_dim, bias=False)
        self.to_kv = nn.Linear(width, 2 * heads * head_dim, bias=False)
        self.to_out = nn.Linear(heads * head_dim, width, bias=False)
        self.ff_norm = nn.LayerNorm(width)
        self.ff_up = nn.Linear(width, mlp, bias=False)
        self.ff_down = nn.Linear(mlp, width, bias=False)

    def forward(self, latents_NED: Tensor, context_NKD: Tensor) -> Tensor:
        normed_NED = self.latent_norm(latents_NED)
        asked = torch.cat((self.context_norm(context_NKD), normed_NED), dim=1)
        q, k, v = (
            x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x in (self.to_q(normed_NED), *self.to_kv(asked).chunk(2, dim=-1))
        )
        attended_NED = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        latents_NED = latents_NED + self.to_out(attended_NED)
        return latents_NED + self.ff_down(gelu(self.ff_up(self.ff_norm(latents_NED))))


class DepthHead(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        depth, width = config.depth, config.vlm.width
        self.proj_in1 = nn.Linear(width, width)
        self.proj_in2 = nn.Linear(width, width)
        self.layers = nn.ModuleList(
            PerceiverLayer(width, depth.head_heads, depth.head_dim, width * depth.head_mlp_ratio)
            for _ in range(depth.head_layers)
        )
        self.proj_out = nn.Linear(width, depth.target_width)
        self.norm_out = nn.LayerNorm(depth.target_width)

    def forward(self, bank_ED: Tensor, context_NKD: Tensor) -> Tensor:
        """Return the depth features of each view, shape (N, E, target width)."""
        latents_NED = self.proj_in1(bank_ED).expand(context_NKD.shape[0], -1, -1)
        context_NKD = self.proj_in2(context_NKD)
        for layer in self.layers:
            latents_NED = layer(latents_NED, context_NKD)
        return self.norm_out(self.proj_out(latents_NED))


class DepthQueries(nn.Module):
    """The query bank, where its tokens stand in the prefix, and the head."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        depth = config.depth
        self.views, self.query_tokens = config.views, depth.query_tokens
        self.image_tokens = config.views * config.tokens_per_view
        self.query_bank = nn.Parameter(torch.empty(depth.bank_tokens, config.vlm.width))
        if not self.query_bank.is_meta:
            self.query_bank.data.copy_(draw_query_bank(*self.query_bank.shape))
        self.head = DepthHead(config)

        views_V = torch.arange(config.views, device='cpu')
        view_of_token = torch.cat(
            (
                views_V.repeat_interleave(config.tokens_per_view),
                views_V.repeat_interleave(depth.query_tokens),
            )
        )
        self.register_buffer('view_of_token', view_of_token, persistent=False)

    def tokens(self) -> Tensor:
        """Return the query tokens of all views, shape (V*Q, D): means of runs of the bank."""
        tokens_QD = self.query_bank.unflatten(0, (self.query_tokens, -1)).mean(dim=1)
        return tokens_QD.repeat(self.views, 1)

    def may_attend(self, valid_BL: Tensor) -> Tensor:
        """Return the prefix's attention (B, L, L), True where the row may read the column."""
        length = valid_BL.shape[1]
        text = length - self.view_of_token.shape[0]
        view_L = nn.functional.pad(self.view_of_token, (0, text), value=-1)
        index_L = torch.arange(length, device=valid_BL.device)
        queries_end = length - text
        is_query_L = (index_L >= self.image_tokens) & (index_L < queries_end)
        same_view_LL = view_L[:, None] == view_L[None, :]
        layout_LL = torch.where(is_query_L[:, None], same_view_LL, ~is_query_L[None, :])
        return layout_LL & valid_BL[:, None, :]

    def predict(self, prefix_out_BLD: Tensor) -> Tensor:
        """Return depth features (N, E, target width) from the prefix after its final norm."""
        queries_end = self.view_of_token.shape[0]
        images_BMD = prefix_out_BLD[:, : self.image_tokens]
        queries_BMD = prefix_out_BLD[:, self.image_tokens : queries_end]
        context_BVKD = torch.cat(
            (
                images_BMD.unflatten(1, (self.views, -1)),
                queries_BMD.unflatten(1, (self.views, -1)),
            ),
            dim=2,
        )
        return self.head(self.query_bank, context_BVKD.flatten(0, 1))


def depth_loss(predictions: Tensor, targets: Tensor, image_masks_BV: Tensor) -> Tensor:
    """Return the smooth L1 loss averaged over the views which are present."""
    per_view_N = (
        smooth_l1_loss(predictions.float(), targets.float(), reduction='none')
        .flatten(1)
        .mean(dim=1)
    )
    present_N = image_masks_BV.flatten().to(per_view_N.dtype)
    return (per_view_N * present_N).sum() / present_N.sum().clamp(min=1.0)
