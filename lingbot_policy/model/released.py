# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Read the model config out of a folder of released weights.

A released ``config.json`` is a lerobot PI0Config: horizon, action slots, prompt length. The
architecture flags are in ``lingbotvla_cli.yaml``, and the sizes of the vision-language model in
the ``config.json`` of the Qwen2.5-VL folder the weights were trained from.
Field names: Robbyant/lingbot-vla @ 61ef6b1.
"""

from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import yaml

from lingbot_policy.model.config import DepthConfig, ExpertConfig, ModelConfig, VisionConfig

CLI_FILE = 'lingbotvla_cli.yaml'

# Flags which change tensors or maths, and the one value this implementation has.
SUPPORTED_FLAGS = {
    'adanorm_time': True,
    'old_adanorm': True,
    'split_gate_liner': False,
    'nosplit_gate_liner': False,
    'separate_time_proj': False,
    'final_norm_adanorm': False,
    'norm_qkv': False,
    'use_lm_head': False,
    'vlm_causal': False,
    'enable_expert_vision': False,
}
# Values in vocab_size which mean "the vision-language model's own".
VLM_VOCABULARY = (None, 0, 257152)


def read_released_config(folder: str | Path, qwen_folder: str | Path | None = None) -> ModelConfig:
    """
    Return the config of the weights in ``folder``.

    :param qwen_folder: Qwen2.5-VL folder whose ``config.json`` gives the vision-language sizes;
        without it they are those of Qwen2.5-VL-3B, as in all released weights.
    :raises ValueError: naming the file and the flag this implementation does not have.
    """
    folder = Path(folder)
    source = folder / 'config.json'
    fields = _read_json(source)
    if 'vlm' in fields:
        return _described_config(fields, source)

    config = ModelConfig.released_4b()
    if qwen_folder is not None:
        qwen_source = Path(qwen_folder) / 'config.json'
        config = replace(config, **_qwen_sizes(_read_json(qwen_source), qwen_source))
    flags = _cli_flags(folder)
    # The command line overwrote the config file when the weights were trained.
    fields = {**fields, **{key: value for key, value in flags.items() if value is not None}}
    check_flags(flags, folder / CLI_FILE)
    slots = fields.get('max_action_dim', config.max_action_dim)
    if fields.get('max_state_dim', slots) != slots:
        raise ValueError(
            f'{source}: max_state_dim = {fields["max_state_dim"]} and max_action_dim = {slots}; '
            'expected the same slots for state and action'
        )
    return replace(
        config,
        depth=_depth_config(fields.get('align_params'), folder / CLI_FILE),
        horizon=int(fields.get('chunk_size', config.horizon)),
        max_action_dim=int(slots),
        prompt_length=int(fields.get('tokenizer_max_length', config.prompt_length)),
        num_steps=int(fields.get('num_steps', config.num_steps)),
        image_size=int(fields.get('img_size', config.image_size)),
    )


def check_flags(flags: dict[str, Any], source: Path) -> None:
    """
    Check that every architecture flag has the value this implementation has.

    :raises ValueError: naming flag, value and what is supported.
    """
    faults = [
        f'{name} = {flags[name]!r} (supported: {supported!r})'
        for name, supported in SUPPORTED_FLAGS.items()
        if name in flags and flags[name] is not None and bool(flags[name]) != supported
    ]
    vocabulary = flags.get('vocab_size')
    if vocabulary not in (*VLM_VOCABULARY, 151936):
        faults.append(f'vocab_size = {vocabulary!r} (supported: 0, the Qwen2.5-VL vocabulary)')
    if faults:
        raise ValueError(
            f'{source}: weights of another architecture: {"; ".join(faults)}; '
            'only the released "adanorm_time + old_adanorm" models can be loaded'
        )


def _described_config(fields: dict[str, Any], source: Path) -> ModelConfig:
    """Return the config of a file which carries ``vlm``, ``expert`` and ``flags`` itself."""
    check_flags(fields.get('flags', {}), source)
    return ModelConfig(
        **_qwen_sizes(fields['vlm'], source),
        expert=_expert_sizes(fields['expert']),
        depth=_depth_config(fields.get('align_params'), source),
        horizon=fields['chunk_size'],
        max_action_dim=fields['max_action_dim'],
    )


def _qwen_sizes(qwen: dict[str, Any], source: Path) -> dict[str, Any]:
    text = qwen.get('text_config', qwen)
    if 'vision_config' not in qwen:
        raise ValueError(f'{source} lacks vision_config; expected the config of Qwen2.5-VL')
    vision = qwen['vision_config']
    defaults = VisionConfig()
    return {
        'vocabulary': text['vocab_size'],
        'vlm': _expert_sizes(text),
        'vision': VisionConfig(
            width=vision.get('hidden_size', defaults.width),
            layers=vision.get('depth', defaults.layers),
            heads=vision.get('num_heads', defaults.heads),
            mlp=vision.get('intermediate_size', defaults.mlp),
            full_attention_layers=tuple(
                vision.get('fullatt_block_indexes', defaults.full_attention_layers)
            ),
            patch_size=vision.get('patch_size', defaults.patch_size),
            temporal_patch_size=vision.get('temporal_patch_size', defaults.temporal_patch_size),
            merge_size=vision.get('spatial_merge_size', defaults.merge_size),
            window_size=vision.get('window_size', defaults.window_size),
        ),
    }


def _expert_sizes(fields: dict[str, Any]) -> ExpertConfig:
    heads = fields['num_attention_heads']
    return ExpertConfig(
        width=fields['hidden_size'],
        layers=fields['num_hidden_layers'],
        heads=heads,
        kv_heads=fields['num_key_value_heads'],
        head_dim=fields.get('head_dim') or fields['hidden_size'] // heads,
        mlp=fields['intermediate_size'],
    )


def _depth_config(align: dict[str, Any] | None, source: Path) -> DepthConfig | None:
    if not align:
        return None
    if align.get('mode') != 'query':
        raise ValueError(
            f'{source}: align_params.mode = {align.get("mode")!r} (supported: "query", or no '
            'align_params at all)'
        )
    depth = align.get('depth', {})
    defaults = DepthConfig()
    return DepthConfig(
        query_tokens=align.get('num_task_tokens', defaults.query_tokens),
        bank_tokens=depth.get('num_backbone_tokens', defaults.bank_tokens),
        head_layers=depth.get('num_layers', defaults.head_layers),
        head_heads=depth.get('num_heads', defaults.head_heads),
        head_dim=depth.get('dim_head', defaults.head_dim),
        head_mlp_ratio=depth.get('ff_mult', defaults.head_mlp_ratio),
        target_width=depth.get('dim_out', defaults.target_width),
        loss_weight=align.get('depth_loss_weight', defaults.loss_weight),
    )


def _cli_flags(folder: Path) -> dict[str, Any]:
    """Return the fields of all sections of the training command line; empty without the file."""
    path = folder / CLI_FILE
    if not path.is_file():
        return {}
    sections = yaml.safe_load(path.read_text()) or {}
    if not isinstance(sections, dict):
        raise ValueError(f'{path} is not a mapping of sections (model, data, train)')
    flags: dict[str, Any] = {}
    for section in sections.values():
        if isinstance(section, dict):
            flags.update(section)
    return flags


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f'{path} does not exist; expected a folder with a config.json')
    try:
        return json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f'{path} is not valid JSON: {error}') from error
