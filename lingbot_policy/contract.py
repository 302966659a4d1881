# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The contract of a policy: what its numbers mean.

It is sealed when weights are trained or imported (``policy.yaml`` in the bundle), published by
the policy server, and compared by everyone who touches an action: on a mismatch nothing moves.
"""

from concurrent.futures import ThreadPoolExecutor
import hashlib
from importlib.resources import files
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
import yaml

from lingbot_policy.robot import Robot

POLICY_FILE = 'policy.yaml'

TimeGrid = Literal['accumulated_fp32', 'rounded_bf16', 'upstream_bf16']
Layout = Literal['pretrain', 'concat_groups', 'raw_14']


class NotTrained(ValueError):
    """The weights have not learned what is asked of them."""


class PolicyContract(BaseModel):
    """
    Meaning of a policy's inputs and outputs; times in s, rates in Hz.

    Step i of a chunk is due at t_ref + (i + ``first_step_offset``) / ``rate_hz``.
    ``normalization`` is the formula of ``arm.position`` and of ``effector.position``;
    ``hashes`` are those of the bundle's other files, by name. ``shares`` names a folder beside the
    bundle whose files complete it: robots which share their weights have one copy of them.
    ``rtc_trained_steps``: most steps of a plan under way which the weights have learned to
    continue, 0 for none.
    """

    model_config = ConfigDict(extra='forbid', strict=True, frozen=True, allow_inf_nan=False)

    policy: str
    robot: str
    joints: tuple[str, ...]
    cameras: tuple[str, ...]
    horizon: Annotated[int, Field(gt=0)]
    rate_hz: Annotated[float, Field(gt=0)]
    first_step_offset: float = 0.0
    layout: Layout = 'concat_groups'
    relative_arms: bool = False
    normalization: dict[str, str] = {}
    time_grid: TimeGrid = 'accumulated_fp32'
    pad_dims: Literal['integrate', 'noise_schedule'] = 'integrate'
    steps: Annotated[int, Field(gt=0)] = 10
    truncate_prompt: bool = False
    rtc_trained_steps: Annotated[int, Field(ge=0)] = 0
    shares: Annotated[str, Field(pattern=r'^(\w[\w.-]*)?$')] = ''
    hashes: dict[str, str] = {}

    @property
    def digest(self) -> str:
        """
        Short hash of every field but ``shares``: where files lie changes no meaning.

        ``rtc_trained_steps`` counts above 0: digests from before the field stay as they were.
        """
        fields = self.model_dump(mode='json', exclude={'shares'})
        if not self.rtc_trained_steps:
            del fields['rtc_trained_steps']
        content = json.dumps(fields, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def rtc_trained(self) -> bool:
        """Whether the weights have learned to continue a plan."""
        return self.rtc_trained_steps > 0

    def require_rtc_trained(self) -> None:
        """
        Refuse weights which cannot continue a plan by themselves.

        :raises NotTrained: naming what can be used instead.
        """
        if not self.rtc_trained:
            raise NotTrained(
                f'the weights of {self.policy!r} were not trained to continue a plan '
                '(rtc_trained_steps in policy.yaml is 0); use strategy rtc, blend or replace'
            )

    def to_json(self) -> str:
        return self.model_dump_json()

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode='json'), sort_keys=False, width=99)

    def seal(self, folder: Path) -> 'PolicyContract':
        """
        Return this contract with the hashes of all files of the bundle but the contract's.

        :raises ValueError: the shared folder is missing, or repeats a name of the bundle.
        """
        return self.model_copy(update={'hashes': file_hashes(folder, self.shares)})

    def file_mismatches(self, folder: Path) -> list[str]:
        """Return one line for each file which is missing, was added, or differs from its hash."""
        try:
            found = file_hashes(folder, self.shares)
        except ValueError as error:
            return [str(error)]
        lines = []
        for name in sorted(self.hashes.keys() | found.keys()):
            sealed, hashed = self.hashes.get(name), found.get(name)
            if hashed is None:
                lines.append(f'{name}: sealed as {sealed[:12]}, file is missing')
            elif sealed is None:
                lines.append(f'{name}: not sealed, file is {hashed[:12]}')
            elif sealed != hashed:
                lines.append(f'{name}: sealed as {sealed[:12]}, file is {hashed[:12]}')
        return lines

    def differences(self, other: 'PolicyContract') -> list[str]:
        """Return one line for each field in which two contracts differ, with both values."""
        ours, theirs = self.model_dump(), other.model_dump()
        return [f'{f}: {ours[f]!r} and {theirs[f]!r}' for f in ours if ours[f] != theirs[f]]

    def mismatches(self, robot: Robot) -> list[str]:
        """Return one line for each field that does not fit the robot, with both values."""
        pairs = [
            ('robot', self.robot, robot.name),
            ('joints', list(self.joints), list(robot.joints)),
        ]
        lines = [f'{f}: policy has {a}, robot has {b}' for f, a, b in pairs if a != b]
        absent = [name for name in self.cameras if name not in robot.cameras]
        if absent:
            lines.append(f'cameras: policy needs {absent}, robot has {list(robot.cameras)}')
        return lines

    def require(self, robot: Robot) -> None:
        """
        Refuse a robot this policy was not sealed for.

        :raises ValueError: naming every field that differs and both values.
        """
        lines = self.mismatches(robot)
        if lines:
            raise ValueError(
                f'policy {self.policy!r} does not fit robot {robot.name!r}: {"; ".join(lines)}. '
                'Use the bundle made for this robot file, or import the weights for it again.'
            )


def parse_contract(text: str, path: str) -> PolicyContract:
    """
    Return the contract written in ``text`` (YAML or JSON).

    :raises ValueError: one line for each fault: file, field, found, expected.
    """
    try:
        raw = yaml.safe_load(text)
        return PolicyContract.model_validate_json(json.dumps(raw, default=str))
    except yaml.YAMLError as error:
        raise ValueError(f'{path}: not valid YAML: {error}') from error
    except ValidationError as error:
        raise ValueError('\n'.join(_describe(path, fault) for fault in error.errors())) from error


def shipped_bundle(robot: str) -> Path:
    """Return where the small bundle for a robot lies, if the package has one."""
    return Path(str(files('lingbot_policy') / 'data' / 'bundles' / f'tiny_{robot}'))


def shared_folder(folder: Path, shares: str) -> Path:
    """Return where a bundle's config, weights and tokenizer lie: in it, or in what it shares."""
    return folder.resolve().parent / shares if shares else folder


def file_hashes(folder: Path, shares: str = '') -> dict[str, str]:
    """
    Return the SHA-256 of every file of a bundle but the contract and hidden ones, by name.

    :raises ValueError: the shared folder is missing, or repeats a name of the bundle.
    """
    paths = _named_files(folder)
    if shares:
        shared = shared_folder(folder, shares)
        if not shared.is_dir():
            raise ValueError(
                f'shares: found no folder {shared}, expected the files this bundle shares with '
                'others; copy it along'
            )
        completing = _named_files(shared)
        both = sorted(paths.keys() & completing.keys())
        if both:
            raise ValueError(f'shares: found {both} in {folder.name} and in {shares}; keep one')
        paths |= completing
    with ThreadPoolExecutor() as pool:  # hashing releases the GIL; shards are gigabytes
        return dict(zip(paths, pool.map(_file_hash, paths.values()), strict=True))


def _named_files(folder: Path) -> dict[str, Path]:
    names = {path.relative_to(folder): path for path in sorted(folder.rglob('*'))}
    return {
        name.as_posix(): path
        for name, path in names.items()
        if path.is_file()
        and name.as_posix() != POLICY_FILE
        and not any(part.startswith('.') for part in name.parts)
    }


def _file_hash(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def _describe(path: str, fault: dict) -> str:
    field = '.'.join(map(str, fault['loc'])) or '(file)'
    if fault['type'] == 'missing':
        return f'{path}: {field}: found nothing, expected a value'
    if fault['type'] == 'extra_forbidden':
        return f'{path}: {field}: found {fault["input"]!r}, expected no such field'
    return f'{path}: {field}: found {fault["input"]!r}, expected: {fault["msg"]}'


def scripted_contract(policy: str, robot: Robot, horizon: int = 50) -> PolicyContract:
    """Return the contract of a policy which speaks robot units itself and has no weights."""
    return PolicyContract(
        policy=policy,
        robot=robot.name,
        joints=robot.joints,
        cameras=tuple(robot.cameras),
        horizon=horizon,
        rate_hz=robot.file.policy_rate_hz,
    )
