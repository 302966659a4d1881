# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
LingBot-VLA: camera views, a prompt and a state in, a chunk of actions out.

The prefix [views, depth queries, prompt] passes the vision-language model once. The suffix
[state, actions] passes the action expert once per denoising step and attends to the prefix's keys
and values, layer by layer.

Shapes: B batch, V views, P patches of a view, U tokens of a view, K values of a patch, T prompt
tokens, L prefix tokens, A horizon, X = 1 + A suffix tokens, S model slots (state and action),
D width of a token, N denoising steps.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn, Tensor
from torch.nn.functional import pad, silu

from lingbot_policy.model.attention import (
    additive_mask,
    positions_of,
    Rope,
    rope_1d,
    suffix_may_attend,
)
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.depth import depth_loss, DepthQueries
from lingbot_policy.model.experts import call_module, Expert
from lingbot_policy.model.flow_matching import (
    but_known,
    euler_grid,
    euler_sample,
    flow_error,
    FlowLoss,
    masked_mean,
    time_embedding,
    TimeGrid,
    training_pair,
)
from lingbot_policy.model.kv_cache import KVBuffer, KVGraph
from lingbot_policy.model.vision import VisionTower


@dataclass(frozen=True)
class Prefix:
    """
    What a denoising step needs to know of the observation.

    ``out_BLD`` is the prefix after the vision-language model's final norm, where asked for.
    """

    out_BLD: Tensor | None
    keys_values: KVBuffer | KVGraph
    suffix_mask: Tensor
    suffix_rope: Rope
    state_token_B1D: Tensor


class LingBotVLA(nn.Module):
    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        width, slots = config.expert.width, config.max_action_dim
        self.vision = VisionTower(config)
        self.embed_tokens = nn.Embedding(config.vocabulary, config.vlm.width)
        nn.init.normal_(self.embed_tokens.weight, std=0.02)
        self.vlm = Expert(config.vlm)
        self.expert = Expert(config.expert, condition_width=width)
        self.state_proj = nn.Linear(slots, width)
        self.action_in_proj = nn.Linear(slots, width)
        self.action_time_mlp_in = nn.Linear(2 * width, width)
        self.action_time_mlp_out = nn.Linear(width, width)
        self.action_out_proj = nn.Linear(width, slots)
        self.depth = DepthQueries(config) if config.depth else None
        self.view_patch_positions = None
        if config.view_patch_positions:
            positions = torch.empty(config.views, config.tokens_per_view, config.vlm.width)
            self.view_patch_positions = nn.Parameter(nn.init.normal_(positions, std=0.02))

    @torch.inference_mode()
    def sample_actions(
        self,
        images_BVPK: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
        state_BS: Tensor,
        noise_BAS: Tensor,
        steps: int = 10,
        time_grid: str = 'accumulated_fp32',
    ) -> Tensor:
        """
        Return actions (B, A, S), normalised as in training, in the dtype of ``noise_BAS``.

        :param noise_BAS: standard normal; the actions are a function of it.
        :param time_grid: see ``flow_matching.euler_grid``.
        """
        grid = euler_grid(steps, time_grid)
        schedule = self.schedule(grid)
        prefix = self.encode_prefix(
            images_BVPK, image_masks_BV, tokens_BT, token_masks_BT, state_BS
        )
        return euler_sample(
            lambda x_BAS, step: self.denoise(prefix, x_BAS, *schedule[step]), noise_BAS, grid
        )

    def schedule(self, grid: TimeGrid) -> list[tuple[Tensor, Tensor]]:
        """Return the time embedding (1, D) and the expert's modulations for each step."""
        times_N = torch.tensor(grid.times, device=self.action_out_proj.weight.device)
        embedding_ND = self.time_embedding(times_N)
        modulations = self.expert.modulations(embedding_ND)
        return list(zip(embedding_ND.split(1), modulations, strict=True))

    def encode_prefix(
        self,
        images_BVPK: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
        state_BS: Tensor,
        keys_values: KVBuffer | KVGraph | None = None,
        need_output: bool = False,
    ) -> Prefix:
        """
        Return the observation as the denoising steps see it.

        :param keys_values: where keys and values go; None: a new buffer. Steps which are to be
            differentiated need a ``KVGraph``.
        :param need_output: run the last layer to its end, for the depth loss; the action expert
            reads nothing of it but keys and values.
        """
        embeds_BLD, valid_BL = self.embed_prefix(
            images_BVPK, image_masks_BV, tokens_BT, token_masks_BT
        )
        if keys_values is None:
            keys_values = KVBuffer(self.config.vlm, *valid_BL.shape, like=embeds_BLD)
        out_BLD = self.run_vlm(embeds_BLD, valid_BL, keys_values, need_output)
        return self.prefix_from(keys_values, valid_BL, state_BS, out_BLD)

    def prefix_from(
        self,
        keys_values: KVBuffer | KVGraph,
        valid_BL: Tensor,
        state_BS: Tensor,
        out_BLD: Tensor | None = None,
    ) -> Prefix:
        """Return what the denoising steps see of a prefix whose keys and values are known."""
        suffix = 1 + self.config.horizon
        positions_BX = valid_BL.sum(dim=1)[:, None] + torch.arange(suffix, device=valid_BL.device)
        mask = additive_mask(
            suffix_may_attend(valid_BL, suffix), self.config.expert.group, self._dtype
        )
        rope = rope_1d(positions_BX, self.config.expert.head_dim)
        state_BD = self.state_proj(state_BS.to(self.state_proj.weight.dtype))
        return Prefix(out_BLD, keys_values, mask, rope, state_BD[:, None].to(self._dtype))

    def denoise(
        self,
        prefix: Prefix,
        x_BAS: Tensor,
        embedding_BD: Tensor,
        modulations: Tensor | None = None,
        known_BA: Tensor | None = None,
    ) -> Tensor:
        """
        Return the velocity (B, A, S) at ``x_BAS``, in its dtype.

        :param embedding_BD: of the time, one for all samples or one each.
        :param modulations: the expert's, from the schedule; None: derived here.
        :param known_BA: True where ``x_BAS`` holds actions as they will be executed: these see
            time 0, and nothing is predicted of them. Not together with ``modulations``.
        """
        condition_B1D = embedding_BD[:, None]
        if known_BA is not None:
            condition_B1D = self.conditions(embedding_BD, known_BA)
        actions_BAD = self.action_in_proj(x_BAS.to(self.action_in_proj.weight.dtype))
        time_BAD = condition_B1D[:, -self.config.horizon :].to(actions_BAD.dtype)
        time_BAD = time_BAD.expand_as(actions_BAD)
        hidden_BAD = self.action_time_mlp_in(torch.cat((actions_BAD, time_BAD), dim=-1))
        velocity_BAS = self.decode(prefix, hidden_BAD, modulations, condition_B1D)
        return velocity_BAS.to(x_BAS.dtype)

    def conditions(self, embedding_BD: Tensor, known_BA: Tensor) -> Tensor:
        """Return the time condition of state and actions (B, X, D): time 0 for known actions."""
        at_zero_1D = self.time_embedding(embedding_BD.new_zeros(1))
        known_BX1 = pad(known_BA, (1, 0), value=False)[:, :, None]
        return torch.where(known_BX1, at_zero_1D, embedding_BD[:, None])

    def decode(
        self,
        prefix: Prefix,
        hidden_BAD: Tensor,
        modulations: Tensor | None = None,
        condition_B1D: Tensor | None = None,
        call: Callable = call_module,
    ) -> Tensor:
        """
        Return the velocity (B, A, S) from the hidden layer of the actions' and the time's MLP.

        :param modulations: of the expert, (layers, 2, B or 1, T or 1, 2D); None: they are derived
            from ``condition_B1D``.
        :param call: runs one layer, see ``call_module``.
        """
        actions_BAD = self.action_time_mlp_out(silu(hidden_BAD).to(self._dtype))
        x_BXD = torch.cat((prefix.state_token_B1D, actions_BAD), dim=1)
        for index, layer in enumerate(self.expert.layers):
            past = prefix.keys_values.of_prefix(index)
            modulation = None if modulations is None else modulations[index]
            rope, mask = prefix.suffix_rope, prefix.suffix_mask
            x_BXD, _, _ = call(layer, x_BXD, rope, mask, past, condition_B1D, modulation)
        actions_BAD = self.expert.norm(x_BXD)[:, 1:]
        return self.action_out_proj(actions_BAD.to(self.action_out_proj.weight.dtype))

    def velocity(
        self,
        images_BVPK: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
        state_BS: Tensor,
        noisy_BAS: Tensor,
        time_B: Tensor,
    ) -> Tensor:
        """Return the velocity (B, A, S) at ``noisy_BAS`` and ``time_B``, differentiable."""
        prefix = self.encode_prefix(
            images_BVPK, image_masks_BV, tokens_BT, token_masks_BT, state_BS, KVGraph()
        )
        return self.denoise(prefix, noisy_BAS, self.time_embedding(time_B))

    def flow_loss(
        self,
        images_BVPK: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
        state_BS: Tensor,
        actions_BAS: Tensor,
        noise_BAS: Tensor,
        time_B: Tensor,
        loss: str = 'L1_fm',
        action_mask_BAS: Tensor | None = None,
        depth_targets: Tensor | None = None,
        known_BA: Tensor | None = None,
    ) -> FlowLoss:
        """
        Return the training loss of one batch.

        :param loss: ``L1_fm`` absolute, ``fm`` squared error of the velocity.
        :param action_mask_BAS: True where the loss counts, broadcast to (B, A, S); None: all.
        :param depth_targets: (B*V, bank tokens, target width); None: no depth loss.
        :param known_BA: True for actions the model is to continue, see ``denoise``; they carry no
            loss.
        :raises ValueError: if ``loss`` is unknown, or depth targets meet a model without depth.
        """
        if depth_targets is not None and self.depth is None:
            raise ValueError('depth_targets given, but the model config has depth = None')
        noisy_BAS, target_BAS = training_pair(actions_BAS, noise_BAS, time_B, known_BA)
        prefix = self.encode_prefix(
            images_BVPK,
            image_masks_BV,
            tokens_BT,
            token_masks_BT,
            state_BS,
            KVGraph(),
            need_output=depth_targets is not None,
        )
        embedding_BD = self.time_embedding(time_B)
        velocity_BAS = self.denoise(prefix, noisy_BAS, embedding_BD, known_BA=known_BA)

        elements_BAS = flow_error(velocity_BAS, target_BAS, loss)
        action = masked_mean(elements_BAS, but_known(action_mask_BAS, known_BA))
        if depth_targets is None:
            return FlowLoss(action, action, None, elements_BAS)
        depth = depth_loss(self.depth.predict(prefix.out_BLD), depth_targets, image_masks_BV)
        total = action + self.config.depth.loss_weight * depth
        return FlowLoss(total, action, depth, elements_BAS)

    # Training calls the module itself, so that hooks on the root fire.
    forward = flow_loss

    def embed_prefix(
        self,
        images_BVPK: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the prefix's embeddings (B, L, D) and which of them are valid (B, L)."""
        images_NUD = self.vision(images_BVPK.flatten(0, 1))
        return self.join_prefix(images_NUD, image_masks_BV, tokens_BT, token_masks_BT)

    def join_prefix(
        self,
        images_NUD: Tensor,
        image_masks_BV: Tensor,
        tokens_BT: Tensor,
        token_masks_BT: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return what ``embed_prefix`` does, from the tokens of all views (N = B * V)."""
        batch, views = image_masks_BV.shape
        images_BVUD = images_NUD.unflatten(0, (batch, views))
        if self.view_patch_positions is not None:
            images_BVUD = images_BVUD + self.view_patch_positions
        embeds = [images_BVUD.flatten(1, 2)]
        valid = [image_masks_BV.repeat_interleave(self.config.tokens_per_view, dim=1)]
        if self.depth is not None:
            embeds.append(self.depth.tokens().expand(batch, -1, -1))
            valid.append(image_masks_BV.repeat_interleave(self.config.depth.query_tokens, dim=1))
        embeds.append(self.embed_tokens(tokens_BT))
        valid.append(token_masks_BT)
        return torch.cat(embeds, dim=1), torch.cat(valid, dim=1)

    def time_embedding(self, time_B: Tensor) -> Tensor:
        """Return the expert's time condition (B, D), in its dtype."""
        return time_embedding(time_B, self.config.expert.width).to(self._dtype)

    def run_vlm(
        self,
        x_BLD: Tensor,
        valid_BL: Tensor,
        keys_values: KVBuffer | KVGraph,
        need_output: bool = False,
        call: Callable = call_module,
    ) -> Tensor | None:
        """
        Pass the prefix through the vision-language model, its keys and values to a cache.

        :param need_output: see ``encode_prefix``.
        :param call: runs one layer, see ``call_module``.
        """
        rope = rope_1d(positions_of(valid_BL), self.config.vlm.head_dim)
        may_attend = self.depth.may_attend(valid_BL) if self.depth else valid_BL[:, None]
        mask = additive_mask(may_attend, self.config.vlm.group, x_BLD.dtype)
        last = len(self.vlm.layers) - 1
        for index, layer in enumerate(self.vlm.layers):
            if index == last and not need_output:
                _, k, v = layer.before_attention(x_BLD, rope)
                keys_values.write_prefix(index, k, v)
                return None
            x_BLD, k, v = call(layer, x_BLD, rope, mask)
            keys_values.write_prefix(index, k, v)
        return self.vlm.norm(x_BLD)

    @property
    def _dtype(self) -> torch.dtype:
        return self.embed_tokens.weight.dtype
