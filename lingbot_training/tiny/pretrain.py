# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Teaching the small model to see, before it learns to act.

Trained on actions alone, a model of this size takes hours to find the block in the pictures.
First each image token learns which share of it shows each colour and where; then every token of
the prompt, through the values it passes on, learns where the block asked for lies.

Shapes: B batch, V views, U tokens of a view, T prompt tokens, L prefix tokens, C colours.
"""

from dataclasses import dataclass
import logging
import time

import numpy as np
import torch
from torch import nn, Tensor
from torch.nn.functional import smooth_l1_loss

from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.kv_cache import KVGraph
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import PIXEL_MEAN, PIXEL_STD
from lingbot_policy.sim.tasks import COLOURS, ZONE_COLOUR
from lingbot_training.tiny.schedule import rise_and_fall

LOGGER = logging.getLogger(__name__)
SEEN = (COLOURS['red'], COLOURS['blue'], ZONE_COLOUR)
TOLERANCE = 0.13  # of a colour's share in the brightness
PLACE_SCALE = (0.1, 0.2, 0.1)  # m: spread of a block's place in x, y, z


@dataclass(frozen=True)
class Batch:
    """Model inputs of some samples, and where the block asked for is (B, 3) in m."""

    images_BVPK: Tensor
    masks_BV: Tensor
    tokens_BT: Tensor
    valid_BT: Tensor
    state_BS: Tensor
    views: Tensor
    place_B3: Tensor


def patches_of(views: Tensor, config: ModelConfig) -> Tensor:
    """Return patches (B, V, P, K) of views (B, V, size, size, 3) uint8, as preprocess does it."""
    grid, merge, patch = config.merged_grid, config.vision.merge_size, config.vision.patch_size
    pixels = (views.float() / 255.0 - torch.tensor(PIXEL_MEAN)) / torch.tensor(PIXEL_STD)
    pixels = pixels.view(-1, grid, merge, patch, grid, merge, patch, 3)
    pixels = pixels.permute(0, 1, 4, 2, 5, 7, 3, 6)
    return pixels.reshape(*views.shape[:2], config.patches_per_view, -1)


def colours_per_token(views: Tensor, config: ModelConfig) -> Tensor:
    """
    Return, for each token and colour, its share of pixels and their mean place, (B, V, U, C, 3).

    The place is -1 .. 1 from the token's top left to its bottom right; 0 where nothing is seen.
    """
    red_green_blue = views.float().unbind(dim=-1)
    brightness = sum(red_green_blue)
    bright = brightness > 60.0
    near = []
    for colour in SEEN:
        mask = bright
        for values, share in zip(red_green_blue, colour, strict=True):
            off = (values - share / sum(colour) * brightness).abs_()
            mask = mask & (off < TOLERANCE * brightness)
        near.append(mask)
    near = torch.stack(near, dim=-1).float()
    grid, side = config.merged_grid, config.vision.merged_patch_size
    cells = near.view(-1, grid, side, grid, side, len(SEEN)).permute(0, 1, 3, 5, 2, 4)
    share = cells.mean(dim=(-1, -2))
    ramp = torch.linspace(-1.0, 1.0, side)
    row = (cells.mean(dim=-1) * ramp).mean(dim=-1) / share.clamp(min=1e-6)
    column = (cells.mean(dim=-2) * ramp).mean(dim=-1) / share.clamp(min=1e-6)
    found = torch.stack((share, row, column), dim=-1)
    return found.view(*views.shape[:2], grid * grid, len(SEEN), 3)


class Probes(nn.Module):
    """Linear read-outs, thrown away after the training."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        width, vlm = config.vlm.width, config.vlm
        self.colours = nn.Linear(width, len(SEEN) * 3)
        self.place = nn.ModuleList(
            nn.Linear(vlm.kv_heads * vlm.head_dim, 3) for _ in range(vlm.layers // 2)
        )

    def places(self, values: list[Tensor]) -> Tensor:
        """Return where each prompt token says the block is, in m, one row for each late layer."""
        late = values[-len(self.place) :]
        said = torch.stack([probe(v) for probe, v in zip(self.place, late, strict=True)])
        return said * torch.tensor(PLACE_SCALE)


def observed(model: LingBotVLA, batch: Batch) -> tuple[Tensor, list[Tensor]]:
    """Return the image tokens (N, U, D), and each layer's values of the prompt (B, T, M)."""
    seen: list[Tensor] = []
    hook = model.vision.register_forward_hook(lambda _, __, tokens: seen.append(tokens))
    graph = KVGraph()
    model.encode_prefix(
        batch.images_BVPK, batch.masks_BV, batch.tokens_BT, batch.valid_BT, batch.state_BS, graph
    )
    hook.remove()
    first = batch.masks_BV.shape[1] * model.config.tokens_per_view
    return seen[0], [v[:, :, first:].transpose(1, 2).flatten(2) for v in graph.values]


def seeing_loss(model: LingBotVLA, probes: Probes, batch: Batch) -> tuple[Tensor, Tensor]:
    """
    Return the losses of what the image tokens show, and of where the block asked for is.

    Every token of the prompt has to know the place: what only one of a hundred tokens tells, the
    action expert would take long to find.
    """
    tokens_NUD, values = observed(model, batch)
    truth = colours_per_token(batch.views, model.config)
    said = probes.colours(tokens_NUD).view(truth.shape)
    seen = truth[..., 0] > 0.01
    share = smooth_l1_loss(said[..., 0], truth[..., 0].sqrt(), beta=0.1)
    where = smooth_l1_loss(said[..., 1:][seen], truth[..., 1:][seen], beta=0.1)

    scale = torch.tensor(PLACE_SCALE)
    said = probes.places(values) / scale
    place = (batch.place_B3 / scale)[None, :, None].expand_as(said)
    away = smooth_l1_loss(said, place, beta=0.1, reduction='none').mean(dim=(0, 3))
    return share + 0.3 * where, away[batch.valid_BT].mean()


def pretrain(model: LingBotVLA, draw, steps: int, learning_rate: float = 2e-3) -> Probes:
    """
    Train vision and language parts on what ``draw()`` -> Batch shows; return the probes.

    :param steps: the first third weighs seeing alone, the rest also finding the block.
    """
    probes = Probes(model.config)
    trained = [
        p
        for part in (model.vision, model.vlm, model.embed_tokens, probes)
        for p in part.parameters()
    ] + [model.view_patch_positions]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = rise_and_fall(optimizer, steps)
    start = time.monotonic()
    for step in range(steps):
        seeing, finding = seeing_loss(model, probes, draw())
        loss = seeing + finding * min(1.0, 0.2 + 3.0 * step / steps)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            LOGGER.info(
                'pretrain %d/%d: seeing %.4f, finding %.4f, %.0f s',
                step, steps, seeing.item(), finding.item(), time.monotonic() - start,
            )  # fmt: skip
    return probes


def place_error(model: LingBotVLA, probes: Probes, batch: Batch) -> np.ndarray:
    """Return how far the block is from where the last layer places it, in m, shape (B,)."""
    with torch.no_grad():
        said_BT3 = probes.places(observed(model, batch)[1])[-1]
    weights_BT = batch.valid_BT / batch.valid_BT.sum(dim=1, keepdim=True)
    said_B3 = (said_BT3 * weights_BT[..., None]).sum(dim=1)
    return (said_B3 - batch.place_B3).norm(dim=1).numpy()
