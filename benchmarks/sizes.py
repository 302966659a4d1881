# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Models of three sizes with random weights that are not degenerate, and requests for them."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from lingbot_policy.model.buffers import Request
from lingbot_policy.model.config import ExpertConfig, ModelConfig, VisionConfig
from lingbot_policy.model.folding import EXACT
from lingbot_policy.model.guidance import Guidance, step_weights
from lingbot_policy.model.lingbot_vla import LingBotVLA

# What a layer adds to its residual stream; scaled so that depth does not drown the input.
RESIDUAL = ('attn_proj.weight', 'mlp_down.weight', 'o_proj.weight', 'down.weight')

# A common direction of image tokens and a strong reading of the prefix let every camera count; a
# weak modulation keeps the rounding of time small.
BIAS, READ, TIME = 1.0, 2.0, 0.2

_TINY = {'layers': 2, 'heads': 4, 'kv_heads': 2, 'head_dim': 16}
_MID = {'layers': 12, 'heads': 4, 'kv_heads': 2, 'head_dim': 128}

SIZES = {
    'tiny': ModelConfig(
        vision=VisionConfig(width=64, layers=2, heads=4, mlp=96, full_attention_layers=(1,)),
        vlm=ExpertConfig(width=64, mlp=128, **_TINY),
        expert=ExpertConfig(width=48, mlp=96, **_TINY),
        vocabulary=256,
    ),
    'mid': ModelConfig(
        vision=VisionConfig(width=320, layers=8, heads=4, mlp=856, full_attention_layers=(3, 7)),
        vlm=ExpertConfig(width=512, mlp=1376, **_MID),
        expert=ExpertConfig(width=256, mlp=688, **_MID),
        vocabulary=8192,
    ),
    'full': ModelConfig.released_4b(),
}


def size_of(name: str, views: int = 3, prompt: int = 72) -> ModelConfig:
    return replace(SIZES[name], views=views, prompt_length=prompt)


def random_model(
    config: ModelConfig,
    dtype: torch.dtype = torch.float32,
    device: str = 'cpu',
    exact: tuple[str, ...] = EXACT,
) -> LingBotVLA:
    """
    Return a model of random weights, made where it will live.

    Equal numbers for every ``dtype``, up to its rounding. AdaNorm and biases are not zero; the
    layers' sum keeps the size of their input.
    """
    with torch.device('meta'):
        model = LingBotVLA(config)
    generator = torch.Generator(device).manual_seed(0)
    for path, parameter in list(model.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator, device=device)
        values = _scaled(path, values, config)
        kept = torch.float32 if any(part in path for part in exact) else dtype
        module, _, name = path.rpartition('.')
        setattr(model.get_submodule(module), name, nn.Parameter(values.to(kept)))
    return model.to(device).eval()


def sharpness(config: ModelConfig) -> float:
    """
    Return the scale of the VLM's queries and keys, found at 2 and at 12 layers.

    Attention is to choose, so that cameras count; but in many layers sharp choices turn a rounding
    into another chunk (at 12 layers: 3.0 gives 0.08 sd in bf16, 1.8 gives 0.004).
    """
    return 1.0 + (8.0 / config.vlm.layers) ** 0.5


def _scaled(path: str, values: torch.Tensor, config: ModelConfig) -> torch.Tensor:
    if 'norm' in path and path.endswith('.weight') and values.ndim == 1:
        return values.mul_(0.1).add_(1.0)
    if values.ndim == 1:
        return values.mul_(BIAS if path == 'vision.merger.down.bias' else 0.02)
    scale = 1.0 if path == 'embed_tokens.weight' else values.shape[-1] ** -0.5
    if path.endswith(RESIDUAL):
        scale *= (2 * config.vlm.layers) ** -0.5
    if path.startswith('expert.') and path.endswith('o_proj.weight'):
        scale *= READ
    if path.endswith('.qkv.weight'):
        scale *= sharpness(config) if path.startswith('vlm.') else 1.0
    if path.endswith('modulation.weight'):
        scale *= TIME
    return values.mul_(scale)


def random_request(
    config: ModelConfig, seed: int = 0, missing: tuple[int, ...] = (), known: int = 0
) -> Request:
    """
    Return a request whose views are smooth, as photographs are.

    :param known: steps of a committed plan that guides it; 0: none.
    """
    random = np.random.default_rng(seed)
    size, shape = config.image_size, (config.horizon, config.max_action_dim)
    coarse = random.integers(0, 256, (config.views, 8, 8, 3), dtype=np.uint8)
    views = coarse.repeat(-(-size // 8), 1).repeat(-(-size // 8), 2)[:, :size, :size]
    guidance = None
    if known:
        weights = np.broadcast_to(step_weights(config.horizon, known // 4, known)[:, None], shape)
        guidance = Guidance(random.standard_normal(shape).astype(np.float32), weights)
    return Request(
        [None if view in missing else views[view] for view in range(config.views)],
        torch.from_numpy(random.integers(0, config.vocabulary, config.prompt_length)),
        torch.ones(config.prompt_length, dtype=torch.bool),
        random.standard_normal(config.max_action_dim).astype(np.float32),
        random.standard_normal(shape).astype(np.float32),
        guidance,
    )
