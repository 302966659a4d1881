# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
What released weights are, fact by fact: read from their files, or given by the user.

Each function returns the fact and where it was found. It raises ValueError, naming the option
that gives the fact, where no file has it, and where file and option contradict each other.
Field names: Robbyant/lingbot-vla @ 61ef6b1 and its later versions (``data.joints``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import yaml

from lingbot_policy.bundle import CONFIG_FILE, STATS_FILE, TOKENIZER_FILE
from lingbot_policy.contract import Layout, TimeGrid
from lingbot_policy.model.released import CLI_FILE
from lingbot_policy.normalization import FORMULAS, GROUPS, NormStats

TOKENIZER_FILES = (
    TOKENIZER_FILE,
    'tokenizer_config.json',
    'vocab.json',
    'merges.txt',
    'special_tokens_map.json',
    'added_tokens.json',
)
UPSTREAM_CAMERAS = ['camera_top', 'camera_wrist_left', 'camera_wrist_right']
UPSTREAM_GROUPS = {'arm.position': 14, 'effector.position': 2}


@dataclass(frozen=True)
class Choices:
    """What the user says of the weights; None: it has to stand in their files."""

    layout: Layout | None = None
    normalization: str | None = None
    stats: Path | None = None
    tokenizer: Path | None = None
    cli: Path | None = None
    prompt_length: int | None = None
    relative_arms: bool | None = None
    rate_hz: float | None = None
    time_grid: TimeGrid = 'rounded_bf16'


def find_cli(source: Path, choices: Choices) -> Path | None:
    """Return the training command line, or None where ``config.json`` has the flags itself."""
    if choices.cli is not None:
        if not choices.cli.is_file():
            raise ValueError(f'--cli {choices.cli}: no such file')
        return choices.cli
    beside = source / CLI_FILE
    # <out>/checkpoints/global_step_N/hf_ckpt -> <out>/lingbotvla_cli.yaml
    above = source.resolve().parents[2:3]
    places = [beside, *(folder / CLI_FILE for folder in above)]
    for place in places:
        if place.is_file():
            return place
    if 'flags' in read_fields(source):
        return None
    raise ValueError(
        f'{CLI_FILE}: found neither {" nor ".join(map(str, places))}; it says which architecture '
        'the weights have. Give it with --cli'
    )


def read_flags(cli: Path) -> dict[str, Any]:
    """Return the fields of all sections (model, data, train) of the training command line."""
    try:
        sections = yaml.safe_load(cli.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f'{cli}: cannot be read as YAML: {error}') from error
    if not isinstance(sections, dict):
        raise ValueError(f'{cli}: found no sections, expected model, data and train')
    return {
        key: value
        for section in sections.values()
        if isinstance(section, dict)
        for key, value in section.items()
        if value is not None
    }


def find_tokenizer(source: Path, choices: Choices) -> Path:
    folder = choices.tokenizer or source
    missing = [name for name in TOKENIZER_FILES[:2] if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f'tokenizer: {folder} lacks {missing}. Give a folder of Qwen2.5-VL-3B-Instruct '
            'with --tokenizer'
        )
    return folder


def find_stats(source: Path, choices: Choices, flags: Mapping[str, Any]) -> Path:
    path = choices.stats or source / STATS_FILE
    if path.is_file():
        return path
    named = flags.get('norm_stats_file')
    hint = f' (training read {named})' if named else ''
    raise ValueError(f'statistics: {path} is not there{hint}. Give the file with --stats')


def find_prompt_length(source: Path, flags: Mapping, choices: Choices) -> tuple[int, str]:
    if choices.prompt_length is not None:
        return choices.prompt_length, '--prompt-length'
    for fields, where in ((flags, CLI_FILE), (read_fields(source), CONFIG_FILE)):
        if 'tokenizer_max_length' in fields:
            return int(fields['tokenizer_max_length']), where
    raise ValueError(
        'prompt length: no tokenizer_max_length in the files. Give it with --prompt-length '
        '(24 for weights of early 2026, 72 for later ones)'
    )


def find_layout(flags: Mapping[str, Any], choices: Choices) -> tuple[Layout, str]:
    cameras = flags.get('cameras', UPSTREAM_CAMERAS)
    if cameras != UPSTREAM_CAMERAS:
        raise ValueError(f'data.cameras: found {cameras}, expected {UPSTREAM_CAMERAS}')
    if 'libero' in str(flags.get('data_name', '')):
        raise ValueError(
            f'data.data_name: found {flags["data_name"]!r}: end-effector poses, not joints'
        )
    if 'joints' not in flags:
        if choices.layout is None:
            raise ValueError(
                'layout: no data.joints in the files. Give --layout: concat_groups (released '
                'post-trained weights), pretrain (base weights) or raw_14 (trained with the code '
                'of early 2026)'
            )
        return choices.layout, '--layout'
    groups = _one_mapping(flags['joints'])
    if list(groups.items())[:2] != list(UPSTREAM_GROUPS.items()):
        raise ValueError(f'data.joints: found {groups}, expected to start with {UPSTREAM_GROUPS}')
    if choices.layout not in (None, 'concat_groups'):
        raise ValueError(f'layout: data.joints says concat_groups, --layout says {choices.layout}')
    return 'concat_groups', f'data.joints in {CLI_FILE}'


def find_normalization(flags: Mapping, choices: Choices) -> tuple[dict[str, str], str]:
    given = parse_normalization(choices.normalization) if choices.normalization else None
    if 'norm_type' not in flags:
        if given is None:
            raise ValueError(
                'normalization: no data.norm_type in the files. Give --normalization, one of '
                f'{", ".join(FORMULAS)}'
            )
        return given, '--normalization'
    raw = flags['norm_type']
    named = dict.fromkeys(GROUPS, raw) if isinstance(raw, str) else _one_mapping(raw)
    missing = [group for group in GROUPS if named.get(group) not in FORMULAS]
    if missing:
        raise ValueError(
            f'data.norm_type: found {raw!r}, expected for {missing} one of {", ".join(FORMULAS)}'
        )
    formulas = {group: named[group] for group in GROUPS}
    if given not in (None, formulas):
        raise ValueError(
            f'normalization: data.norm_type says {formulas}, --normalization says {given}'
        )
    return formulas, f'data.norm_type in {CLI_FILE}'


def find_relative_arms(stats: NormStats, flags: Mapping, choices: Choices) -> tuple[bool, str]:
    if stats.per_step and choices.relative_arms is False:
        raise ValueError(
            f'{stats.path}: action statistics per step belong to relative arms, '
            '--absolute-arms contradicts them'
        )
    if choices.relative_arms is not None:
        option = '--relative-arms' if choices.relative_arms else '--absolute-arms'
        return choices.relative_arms, option
    if stats.per_step:
        return True, f'statistics per step in {stats.path}'
    if 'robotwin' in str(flags.get('data_name', '')) and 'joints' not in flags:
        return False, f'data.data_name in {CLI_FILE}: RoboTwin actions of early 2026 are absolute'
    raise ValueError(
        'relative arms: subtract_state of the robot config used in training is not in the files. '
        'Give --relative-arms or --absolute-arms'
    )


def parse_normalization(text: str) -> dict[str, str]:
    """
    Return the formula of each group: ``meanstd``, or ``meanstd,identity`` for arms, grippers.

    :raises ValueError: a formula is unknown, or their number is not one or two.
    """
    names = [name.strip() for name in text.split(',')]
    unknown = [name for name in names if name not in FORMULAS]
    if unknown or len(names) > len(GROUPS):
        raise ValueError(
            f'--normalization {text!r}: expected one formula, or two (arms, grippers), of '
            f'{", ".join(FORMULAS)}'
        )
    return dict(zip(GROUPS, names * (len(GROUPS) // len(names)), strict=True))


def read_fields(source: Path) -> dict[str, Any]:
    path = source / CONFIG_FILE
    try:
        fields = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f'{path}: cannot be read as JSON: {error}') from error
    if not isinstance(fields, dict):
        raise ValueError(f'{path}: found no mapping of fields')
    return fields


def _one_mapping(entries: Any) -> dict[str, Any]:
    """Return a list of one-key mappings, as upstream writes them, as one mapping."""
    if isinstance(entries, dict):
        return entries
    return {
        key: value for entry in entries if isinstance(entry, dict) for key, value in entry.items()
    }
