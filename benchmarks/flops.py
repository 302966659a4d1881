# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Floating point operations of one chunk, counted from the sizes."""

from lingbot_policy.model.config import ExpertConfig, ModelConfig


def stage_flops(config: ModelConfig) -> dict[str, dict[str, int]]:
    """
    Return the operations of ``views``, ``prefix`` and one ``step``, by ``products`` of weights and
    ``attention``; a product of m x k and k x n is 2 m k n. Folded layers are counted once folded.
    """
    vision, views = config.vision, config.views
    patches, width = config.patches_per_view, vision.width
    joined = width * vision.merge_size**2
    windows = max(1, config.merged_grid // config.window_grid) ** 2
    full = len([n for n in vision.full_attention_layers if n < vision.layers])
    keys = full * patches + (vision.layers - full) * patches // windows
    per_patch = vision.layers * (4 * width * width + 3 * width * vision.mlp)
    per_patch += 3 * vision.patch_size**2 * width
    per_token = joined * joined + joined * config.vlm.width

    queries = views * config.depth.query_tokens if config.depth else 0
    prefix = views * config.tokens_per_view + queries + config.prompt_length
    vlm, expert = config.vlm, config.expert
    suffix, slots = 1 + config.horizon, config.max_action_dim
    actions = config.horizon * (2 * slots * expert.width + expert.width**2)
    return {
        'views': {
            'products': 2 * views * (patches * per_patch + config.tokens_per_view * per_token),
            'attention': 4 * views * patches * keys * width,
        },
        'prefix': {
            # The last layer ends with its keys and values.
            'products': 2 * prefix * (vlm.layers * _qkv(vlm) + (vlm.layers - 1) * _rest(vlm))
            + 2 * slots * expert.width,
            'attention': 4 * (vlm.layers - 1) * prefix * prefix * vlm.heads * vlm.head_dim,
        },
        'step': {
            'products': 2 * suffix * expert.layers * (_qkv(expert) + _rest(expert)) + 2 * actions,
            'attention': 4
            * expert.layers
            * suffix
            * (prefix + suffix)
            * expert.heads
            * expert.head_dim,
        },
    }


def chunk_flops(config: ModelConfig, steps: int) -> int:
    """Return the operations of a chunk."""
    stages = {name: sum(parts.values()) for name, parts in stage_flops(config).items()}
    return stages['views'] + stages['prefix'] + steps * stages['step']


def _qkv(config: ExpertConfig) -> int:
    return config.width * (config.heads + 2 * config.kv_heads) * config.head_dim


def _rest(config: ExpertConfig) -> int:
    return config.width * config.heads * config.head_dim + 3 * config.width * config.mlp
