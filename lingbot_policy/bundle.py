# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A policy bundle: one folder with everything a policy is.

``policy.yaml`` the contract, ``config.json`` the model's sizes, ``model.safetensors`` (or shards
and their index), ``norm_stats.json``, ``tokenizer.json`` and what else belongs to the tokenizer.
The contract holds the hash of every other file; it is written last, so that half a bundle is none.
Robots which share their weights have a folder each, with contract and statistics, and beside them
one folder with all else, which the contracts name (``shares``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
import json
import os
from pathlib import Path
import shutil
import struct

from lingbot_policy.action_space import action_space
from lingbot_policy.contract import parse_contract, POLICY_FILE, PolicyContract, shared_folder
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.normalization import NormStats, read_norm_stats
from lingbot_policy.robot import CAMERAS, Robot

CONFIG_FILE = 'config.json'
STATS_FILE = 'norm_stats.json'
TOKENIZER_FILE = 'tokenizer.json'
WEIGHTS_FILE = 'model.safetensors'
INDEX_FILE = 'model.safetensors.index.json'


@dataclass(frozen=True)
class Bundle:
    """A bundle which was found whole and unchanged since it was sealed."""

    folder: Path
    contract: PolicyContract
    config: ModelConfig
    norm_stats: NormStats

    @property
    def model_folder(self) -> Path:
        """Return where config, weights and tokenizer lie."""
        return shared_folder(self.folder, self.contract.shares)


def load_bundle(folder: Path, robot: Robot | None = None) -> Bundle:
    """
    Return the bundle in ``folder``, verified against its contract and, if given, a robot.

    :raises ValueError: one line for everything that is missing or does not fit.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f'{folder}: no such folder; expected a policy bundle')
    faults: list[str] = []
    contract = _read(faults, _read_contract, folder / POLICY_FILE)
    model_folder = shared_folder(folder, contract.shares if contract else '')
    config = _read(faults, _read_config, model_folder / CONFIG_FILE)
    stats = _read(faults, read_norm_stats, folder / STATS_FILE)
    faults += weights_faults(model_folder)
    if not (model_folder / TOKENIZER_FILE).is_file():
        faults.append(f'{TOKENIZER_FILE}: missing')
    if contract is not None:
        if contract.hashes:
            faults += contract.file_mismatches(folder)
        else:
            faults.append(f'{POLICY_FILE}: hashes: found none, expected a sealed contract')
        if robot is not None:
            faults += contract.mismatches(robot)
            if stats and config and contract.joints == robot.joints:
                faults += _meaning_faults(contract, stats, config, robot)
    if contract is not None and config is not None:
        faults += _size_faults(contract, config)
    if faults:
        raise ValueError(
            f'{folder} is no usable policy bundle'
            + (f' for robot {robot.name!r}' if robot else '')
            + ':\n'
            + '\n'.join(f'  {fault}' for fault in dict.fromkeys(faults))
            + '\nImport the weights again (`lingbot import-weights`), or use another bundle.'
        )
    return Bundle(folder, contract, config, stats)


def write_bundle(
    folder: Path, contract: PolicyContract, files: Mapping[str, Path | str]
) -> PolicyContract:
    """
    Write a bundle and return its sealed contract.

    :param files: name in the bundle -> text to write, or a file; weights are hard-linked where
        the file system allows it, all else is copied. What the contract shares is there already.
    :raises ValueError: if ``folder`` exists already, or what the contract shares does not fit.
    """
    folder = Path(folder)
    partial = _write_partial(folder, files)
    sealed = contract.seal(partial)
    (partial / POLICY_FILE).write_text(sealed.to_yaml(), encoding='utf-8')
    partial.rename(folder)
    return sealed


def write_shared(folder: Path, files: Mapping[str, Path | str]) -> None:
    """
    Write a folder for bundles to share, from ``files`` as in :func:`write_bundle`.

    :raises ValueError: if ``folder`` exists already.
    """
    folder = Path(folder)
    _write_partial(folder, files).rename(folder)


def config_text(config: ModelConfig) -> str:
    """Return the text of ``config.json``."""
    return json.dumps(config.to_dict(), indent=1) + '\n'


def weight_files(folder: Path) -> list[Path]:
    """
    Return the files of the weights in ``folder``: an index and its shards, or all shards.

    :raises ValueError: if there are none, or the index names shards that are not there.
    """
    index = folder / INDEX_FILE
    if not index.is_file():
        files = sorted(folder.glob('*.safetensors'))
        if not files:
            raise ValueError(f'{WEIGHTS_FILE}: missing, and so is {INDEX_FILE}')
        return files
    try:
        names = sorted(set(json.loads(index.read_text(encoding='utf-8'))['weight_map'].values()))
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f'{INDEX_FILE}: no index of shards: {error!r}') from error
    missing = [name for name in names if not (folder / Path(name).name).is_file()]
    if missing:
        raise ValueError(f'{INDEX_FILE}: shards {missing} are missing')
    return [index, *(folder / Path(name).name for name in names)]


def weights_faults(folder: Path) -> list[str]:
    """Return one line for each fault of the weight files, judged by names and sizes only."""
    try:
        paths = weight_files(folder)
    except ValueError as error:
        return [str(error)]
    return [
        f'{path.name}: {fault}'
        for path in paths
        if path.suffix == '.safetensors' and (fault := _cut_off(path))
    ]


def _cut_off(path: Path) -> str | None:
    """Return what is wrong with a safetensors file's length, or None."""
    size = path.stat().st_size
    with path.open('rb') as file:
        start = file.read(8)
        header_size = struct.unpack('<Q', start)[0] if len(start) == 8 else size
        if 8 + header_size > size:
            return f'found {size} bytes, the header is not whole; copy the file again'
        try:
            header = json.loads(file.read(header_size))
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            return f'no safetensors header: {error}'
    ends = [entry['data_offsets'][1] for name, entry in header.items() if name != '__metadata__']
    expected = 8 + header_size + max(ends, default=0)
    if size != expected:
        return f'found {size} bytes, expected {expected}; copy the file again'
    return None


def _read(faults: list[str], function, path: Path):
    """Return what ``function`` reads from ``path``, or None with the fault noted."""
    if not path.is_file():
        faults.append(f'{path.name}: missing')
        return None
    try:
        return function(path)
    except ValueError as error:
        faults.append(str(error))
        return None


def _read_contract(path: Path) -> PolicyContract:
    return parse_contract(path.read_text(encoding='utf-8'), path.name)


def _read_config(path: Path) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, TypeError) as error:
        raise ValueError(f'{path.name}: {error}') from error


def _meaning_faults(
    contract: PolicyContract, stats: NormStats, config: ModelConfig, robot: Robot
) -> list[str]:
    """Return what hinders turning this robot's vectors into the model's slots and back."""
    faults = []
    for side in ('state', 'action'):
        try:
            stats.robot_normalizer(side, robot.is_gripper, contract.normalization)
        except ValueError as error:
            faults.append(str(error))
    try:
        action_space(robot, contract.layout, config.max_action_dim)
    except ValueError as error:
        faults.append(str(error))
    return faults


def _size_faults(contract: PolicyContract, config: ModelConfig) -> list[str]:
    faults = []
    if contract.horizon != config.horizon:
        faults.append(
            f'horizon: {POLICY_FILE} has {contract.horizon}, {CONFIG_FILE} has {config.horizon}'
        )
    if config.views != len(CAMERAS):
        faults.append(f'views: {CONFIG_FILE} has {config.views}, expected {len(CAMERAS)}')
    return faults


def _write_partial(folder: Path, files: Mapping[str, Path | str]) -> Path:
    """Return a hidden folder beside ``folder`` with these files, to be renamed when complete."""
    if folder.exists():
        raise ValueError(f'{folder} exists; give a new folder, or remove it first')
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f'.{folder.name}.partial')
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, content in files.items():
        if isinstance(content, str):
            (partial / name).write_text(content, encoding='utf-8')
        else:
            _link_or_copy(content, partial / name)
    return partial


def _link_or_copy(source: Path, target: Path) -> None:
    """Hard-link weights, which are gigabytes, where the file system can; copy all else."""
    source = source.resolve()  # a link into a download cache would point nowhere
    if target.suffix == '.safetensors':
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another file system, or one without hard links
    shutil.copyfile(source, target)
