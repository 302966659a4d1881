# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Weights folded at load, in fp32 before they are cast: what does not depend on the observation.

Shapes: N views of all samples, P patches of a view, K = 3 * patch * patch pixels of a patch,
D width, B batch, A horizon, S model slots, R rows of a table.
"""

import torch
from torch import nn, Tensor
from torch.nn.functional import linear, pad

from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.flow_matching import time_embedding, TimeGrid
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import merge_order, PIXEL_MEAN, PIXEL_STD

# What the folds read, and what is small and sensitive: kept in fp32 whatever the precision.
EXACT = (
    'patch_embed',
    'state_proj',
    'action_in_proj',
    'action_time_mlp_in',
    'action_out_proj',
    '.modulation.',
)

# Grey levels minus 128 are exact in bfloat16, and their mean is near that of real images.
GREY = 128.0

# Tensor cores read rows in runs of 16 bytes; 64 values suit every tile size.
ALIGNMENT = 64


class PatchEmbedding:
    """
    Frames to embedded patches in window order: one product with the pixels' grey levels.

    Folded into it: the scaling of pixels, and the frames of a patch, all of which show the same.
    """

    def __init__(self, model: LingBotVLA, dtype: torch.dtype):
        self.config: ModelConfig = model.config
        tower, vision = model.vision, model.config.vision
        weight = tower.patch_embed.weight.float()
        weight = weight.view(-1, 3, vision.temporal_patch_size, vision.patch_size**2).sum(dim=2)
        mean, std = (weight.new_tensor(v)[:, None] for v in (PIXEL_MEAN, PIXEL_STD))
        bias_D = (weight * ((GREY / 255.0 - mean) / std)).flatten(1).sum(dim=1)
        weight_DK = (weight / (255.0 * std)).flatten(1)
        self.padding = -weight_DK.shape[1] % ALIGNMENT
        self.weight_DK = pad(weight_DK, (0, self.padding)).to(dtype)
        self.bias_D = bias_D.to(dtype)
        self.patch_order = tower.patch_order

    def __call__(self, frames_NHWC: Tensor) -> Tensor:
        """Return (N, P, D) from uint8 frames (N, rows, columns, 3) of the model's size."""
        pixels_NPK = merge_order(frames_NHWC, self.config).flatten(2)[:, self.patch_order]
        pixels_NPK = pixels_NPK.to(self.weight_DK.dtype) - GREY
        return linear(pad(pixels_NPK, (0, self.padding)), self.weight_DK, self.bias_D)


class ActionEmbedding:
    """
    Noisy actions and time to the hidden layer of the MLP that reads both, in fp32.

    Of that layer's input one half is linear in the actions, so their projection is folded into
    it; the other half is the time's alone.
    """

    def __init__(self, model: LingBotVLA):
        into, mlp = model.action_in_proj, model.action_time_mlp_in
        from_actions_DD, self.from_time_DD = mlp.weight.float().chunk(2, dim=1)
        self.weight_DS = from_actions_DD @ into.weight.float()
        self.bias_D = mlp.bias.float() + from_actions_DD @ into.bias.float()

    def of_time(self, embedding_RD: Tensor) -> Tensor:
        return linear(embedding_RD, self.from_time_DD, self.bias_D)

    def __call__(self, x_BAS: Tensor, of_time_1D: Tensor) -> Tensor:
        return linear(x_BAS.float(), self.weight_DS) + of_time_1D


class TimeTables:
    """
    All that a denoising step derives from its time, one row for each step, on the device.

    Rows are read by a step counter on the device, so that one captured step serves every number
    of steps. The last row is time 0: what a token of a known action sees.
    """

    def __init__(self, model: LingBotVLA, embedding: ActionEmbedding, steps: int):
        expert, device = model.config.expert, model.action_out_proj.weight.device
        self.model, self.embedding, self.rows = model, embedding, steps + 1
        shape = (self.rows, expert.layers, 2, 1, 1, 2 * expert.width)
        self.modulations = torch.zeros(shape, device=device)
        self.of_time = torch.zeros(self.rows, expert.width, device=device)
        self.time, self.dt = torch.zeros(2, self.rows, device=device)

    def fill(self, grid: TimeGrid) -> None:
        """Write the rows of ``grid``; rows behind it repeat time 0."""
        times = torch.zeros(self.rows)
        times[: len(grid.times)] = torch.tensor(grid.times)
        steps = torch.zeros(self.rows)
        steps[: len(grid.dts)] = torch.tensor(grid.dts)
        self.time.copy_(times)
        self.dt.copy_(steps)
        used = len(grid.times)
        rows = [*range(used), self.rows - 1]
        embedding_RD = time_embedding(self.time[rows], self.of_time.shape[1])
        self.of_time[rows] = self.embedding.of_time(embedding_RD)
        self.modulations[rows] = self.model.expert.modulations(embedding_RD).float()


def align_vision_mlp(model: LingBotVLA) -> None:
    """
    Widen the vision tower's MLPs in place by zeros, to a multiple of ``ALIGNMENT``: 3420 to 3456.

    Exact: a hidden value of zero rows is silu(0) * 0. Only for GPUs, whose fast products want
    aligned rows; the weights can no longer be saved.
    """
    extra = -model.config.vision.mlp % ALIGNMENT
    if not extra:
        return
    for block in model.vision.blocks:
        gate_up, down = block.mlp_gate_up, block.mlp_down
        halves = gate_up.weight.data.chunk(2), gate_up.bias.data.chunk(2)
        weight = torch.cat([pad(half, (0, 0, 0, extra)) for half in halves[0]])
        bias = torch.cat([pad(half, (0, extra)) for half in halves[1]])
        gate_up.weight, gate_up.bias = nn.Parameter(weight), nn.Parameter(bias)
        down.weight = nn.Parameter(pad(down.weight.data, (0, extra)))
