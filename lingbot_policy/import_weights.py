# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
From a folder of released weights to a policy bundle for one robot.

What the numbers mean stands in four places: ``config.json`` beside the weights, the training
command line ``lingbotvla_cli.yaml`` (beside them, or three folders up), the statistics file and
the tokenizer's folder. What none of them says has to be given; nothing is guessed. Field names
are those of Robbyant/lingbot-vla @ 61ef6b1 and of its later versions (``data.joints``).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
import json
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory
from typing import Any

from lingbot_policy.action_space import action_space
from lingbot_policy.bundle import (
    CONFIG_FILE,
    config_text,
    STATS_FILE,
    TOKENIZER_FILE,
    weight_files,
    weights_faults,
    write_bundle,
)
from lingbot_policy.contract import Layout, PolicyContract
from lingbot_policy.import_facts import (
    Choices,
    find_cli,
    find_layout,
    find_normalization,
    find_prompt_length,
    find_relative_arms,
    find_stats,
    find_tokenizer,
    read_fields,
    read_flags,
    TOKENIZER_FILES,
)
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.released import CLI_FILE, read_released_config
from lingbot_policy.normalization import NormStats, read_norm_stats
from lingbot_policy.robot import Robot


@dataclass(frozen=True)
class Imported:
    """The sealed contract, and for each decision its value and where it was found."""

    contract: PolicyContract
    origins: Mapping[str, str]


@dataclass(frozen=True)
class _Facts:
    """Everything known of the weights; tuples are (value, where it was found)."""

    config: ModelConfig
    architecture: tuple[str, str]
    layout: tuple[Layout, str]
    normalization: tuple[dict[str, str], str]
    relative_arms: tuple[bool, str]
    prompt_length: tuple[int, str]
    stats: Path
    tokenizer: Path


def import_weights(
    source: Path, robot: Robot, out: Path, choices: Choices | None = None
) -> Imported:
    """
    Make the bundle ``out`` from the weights in ``source``.

    Weight files are hard-linked where the file system allows it, else copied, never rewritten.

    :raises ValueError: one line for everything that is missing, unsupported or contradictory.
    """
    source, choices = Path(source), choices or Choices()
    if not source.is_dir():
        raise ValueError(f'{source}: no such folder; expected config.json and *.safetensors')
    facts = _gather(source, robot, choices)
    config = replace(facts.config, prompt_length=facts.prompt_length[0])
    contract = PolicyContract(
        policy='lingbot',
        robot=robot.name,
        joints=robot.joints,
        cameras=tuple(robot.cameras),
        horizon=config.horizon,
        rate_hz=choices.rate_hz or robot.file.policy_rate_hz,
        first_step_offset=0.0,  # the first action is the one stored at the observed frame
        layout=facts.layout[0],
        relative_arms=facts.relative_arms[0],
        normalization=facts.normalization[0],
        time_grid=choices.time_grid,
        steps=config.num_steps,
    )
    files: dict[str, Path | str] = {CONFIG_FILE: config_text(config), STATS_FILE: facts.stats}
    files |= {path.name: path for path in weight_files(source)}
    files |= {p.name: p for name in TOKENIZER_FILES if (p := facts.tokenizer / name).is_file()}
    sealed = write_bundle(out, contract, files)
    found = {
        'architecture': facts.architecture,
        'layout': facts.layout,
        'normalization': facts.normalization,
        'relative_arms': facts.relative_arms,
        'prompt_length': facts.prompt_length,
        'rate_hz': (contract.rate_hz, '--rate' if choices.rate_hz else robot.path),
        'stats': (facts.stats.name, str(facts.stats)),
        'tokenizer': (TOKENIZER_FILE, str(facts.tokenizer)),
    }
    return Imported(sealed, {name: f'{value} ({where})' for name, (value, where) in found.items()})


def _gather(source: Path, robot: Robot, choices: Choices) -> _Facts:
    """Return the facts, or raise with every one that is missing or contradictory."""
    faults = weights_faults(source)

    def attempt(read: Callable, *arguments) -> Any:
        try:
            return read(*arguments)
        except ValueError as error:
            faults.append(str(error))
            return None

    cli = attempt(find_cli, source, choices)
    flags = (attempt(read_flags, cli) if cli else None) or {}
    tokenizer = attempt(find_tokenizer, source, choices)
    config = attempt(_model_config, source, cli, tokenizer)
    stats_path = attempt(find_stats, source, choices, flags)
    stats = attempt(read_norm_stats, stats_path) if stats_path else None
    prompt_length = attempt(find_prompt_length, source, flags, choices)
    layout = attempt(find_layout, flags, choices)
    formulas = attempt(find_normalization, flags, choices)
    relative = attempt(find_relative_arms, stats, flags, choices) if stats else None
    if layout and config:
        attempt(_check_slots, robot, layout[0], config, flags)
    if stats and formulas and config:
        attempt(_check_stats, stats, robot, formulas[0], config)
    if faults:
        lines = '\n'.join(f'  {fault}' for fault in dict.fromkeys(faults))
        raise ValueError(f'{source} cannot be imported for robot {robot.name!r}:\n{lines}')
    architecture = ('released', str(cli or source / CONFIG_FILE))
    return _Facts(
        config, architecture, layout, formulas, relative, prompt_length, stats_path, tokenizer
    )


def _model_config(source: Path, cli: Path | None, tokenizer: Path | None) -> ModelConfig:
    """Return the model's sizes, with the command line from wherever it was found."""
    fields = read_fields(source)
    qwen = None
    if tokenizer is not None and tokenizer.resolve() != source.resolve():
        qwen = tokenizer if (tokenizer / CONFIG_FILE).is_file() else None
    with TemporaryDirectory() as stage:
        (Path(stage) / CONFIG_FILE).write_text(json.dumps(fields), encoding='utf-8')
        if cli is not None:
            shutil.copyfile(cli, Path(stage) / CLI_FILE)
        try:
            return read_released_config(stage, qwen)
        except ValueError as error:
            text = str(error).replace(f'{stage}/{CLI_FILE}', str(cli))
            raise ValueError(text.replace(stage, str(source))) from error
        except (KeyError, TypeError) as error:
            raise ValueError(f'{source / CONFIG_FILE}: field {error} is missing') from error


def _check_slots(robot: Robot, layout: Layout, config: ModelConfig, flags: Mapping) -> None:
    """Check that the robot fits in the layout, and that training supervised its slots."""
    slots = action_space(robot, layout, config.max_action_dim).slots
    state_slots = flags.get('max_state_dim', config.max_action_dim)
    if state_slots != config.max_action_dim:
        raise ValueError(
            f'max_state_dim: found {state_slots}, expected max_action_dim {config.max_action_dim}'
        )
    # Later versions mask the loss by data.joints; earlier ones cut it after action_dim.
    trained = flags.get('action_dim') if 'joints' not in flags else None
    if trained is not None and slots.max() >= trained:
        raise ValueError(
            f'action_dim: training supervised slots 0 .. {trained - 1}, layout {layout!r} puts '
            f'joint {robot.joints[int(slots.argmax())]!r} at slot {slots.max()}. '
            'Give the --layout of the training'
        )


def _check_stats(stats: NormStats, robot: Robot, formulas: dict, config: ModelConfig) -> None:
    """Check that states and whole chunks of this robot can be normalised."""
    stats.robot_normalizer('state', robot.is_gripper, formulas)
    steps = stats.robot_normalizer('action', robot.is_gripper, formulas).offset.shape[:-1]
    if steps and steps[0] < config.horizon:
        raise ValueError(
            f'{stats.path}: action statistics for {steps[0]} steps, the chunk has {config.horizon}'
        )
