# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Normalisation: robot units to the numbers a model was trained on, and back.

Formulas and the file's shape are those of the released weights (Robbyant/lingbot-vla @ 61ef6b1;
clamping of ``bounds_99`` and ``bounds_98`` as in Robbyant/lingbot-vla-v2 @ 36a9bab). All of them
are affine, so one :class:`Normalizer` holds any mixture of them.

A dim whose spread is at most ``EPS`` is constant: every value becomes that of the constant, and
whatever a model says there comes back as the constant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import json
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

EPS = 1e-6
CLAMP = 1.5

ARMS = 'arm.position'
GRIPPERS = 'effector.position'
GROUPS = (ARMS, GRIPPERS)

FORMULAS = MappingProxyType(
    {
        'identity': (),
        'meanstd': ('mean', 'std'),
        'std': ('mean', 'std'),  # the mean is what a constant dim comes back as
        'minmax': ('min', 'max'),
        'bounds_99': ('q01', 'q99'),
        'bounds_99_woclip': ('q01', 'q99'),
        'bounds_98': ('q02', 'q98'),
        'bounds_98_woclip': ('q02', 'q98'),
    }
)
"""Formula -> the statistics it needs."""

Side = Literal['state', 'action']
_JOINT_FEATURES = {'state': ('observation.state', 'state'), 'action': ('action', 'actions')}
_SPLIT_PREFIX = {'state': 'observation.state.', 'action': 'action.'}


@dataclass(frozen=True)
class Normalizer:
    """
    An affine map per dim: ``(x - offset) / scale + shift``, clamped to ``-limit .. limit``.

    Arrays are (D,), or (steps, D) where the statistics are given per step of the chunk; then the
    leading steps are used for a shorter chunk.
    """

    offset: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    limit: np.ndarray
    constant: np.ndarray

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Return the model's numbers for ``values`` of shape (..., D), float64."""
        offset, scale, shift, limit, constant = self._for(values)
        scaled = (np.asarray(values, dtype=np.float64) - offset) / scale + shift
        return np.where(constant, shift, np.clip(scaled, -limit, limit))

    def denormalize(self, values: np.ndarray) -> np.ndarray:
        """Return robot units for the model's numbers, shape (..., D), float64."""
        offset, scale, shift, _, constant = self._for(values)
        units = (np.asarray(values, dtype=np.float64) - shift) * scale + offset
        return np.where(constant, offset, units)

    def _for(self, values: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the five arrays, checked against ``values`` and cut to its steps."""
        shape = np.shape(values)
        dims, per_step = self.offset.shape[-1], self.offset.ndim == 2
        if not shape or shape[-1] != dims:
            raise ValueError(f'values of shape {shape}, expected {dims} in the last axis')
        if per_step and (len(shape) < 2 or shape[-2] > len(self.offset)):
            raise ValueError(
                f'values of shape {shape}, expected (steps, {dims}) with at most '
                f'{len(self.offset)} steps, as many as the statistics have'
            )
        steps = slice(None, shape[-2]) if per_step else slice(None)
        arrays = (self.offset, self.scale, self.shift, self.limit, self.constant)
        return tuple(array[steps] for array in arrays)


@dataclass(frozen=True)
class NormStats:
    """Statistics as they stand in a file: feature -> statistic -> array (D,) or (steps, D)."""

    features: Mapping[str, Mapping[str, np.ndarray]]
    path: str

    def normalizer(self, feature: str, dims: int, formula: str) -> Normalizer:
        """
        Return the normaliser of the first ``dims`` values of one feature.

        :raises ValueError: naming file, feature and statistic, and what was found.
        """
        arrays = {
            name: self._cut(feature, name, self._statistic(feature, formula, name), dims)
            for name in _needed(formula)
        }
        return _normalizer(formula, arrays, dims, f'{self.path}: {feature}')

    def robot_normalizer(
        self, side: Side, is_gripper: np.ndarray, formulas: Mapping[str, str]
    ) -> Normalizer:
        """
        Return the normaliser of a robot vector, in the order of ``Robot.joints``.

        :param is_gripper: mask of the gripper entries, shape (dof,).
        :param formulas: formula of ``arm.position`` and of ``effector.position``.
        :raises ValueError: naming what the file lacks.
        """
        if set(formulas) != set(GROUPS):
            raise ValueError(
                f'normalization names {sorted(formulas)}, expected {sorted(GROUPS)}: '
                'one formula for the arms, one for the grippers'
            )
        where = {ARMS: ~is_gripper, GRIPPERS: is_gripper}
        split = {group: f'{_SPLIT_PREFIX[side]}{group}' for group in GROUPS}
        wanted = [group for group in GROUPS if formulas[group] != 'identity']
        joint = next((name for name in _JOINT_FEATURES[side] if name in self.features), None)
        if joint is not None and not any(name in self.features for name in split.values()):
            parts = {
                group: _select(
                    self.normalizer(joint, len(is_gripper), formulas[group]), where[group]
                )
                for group in GROUPS
            }
        else:
            absent = [split[group] for group in wanted if split[group] not in self.features]
            if absent:
                raise ValueError(
                    f'{self.path}: lacks the features {absent} (or {_JOINT_FEATURES[side][0]!r} '
                    f'for all of them); found {sorted(self.features)}'
                )
            parts = {
                group: self.normalizer(split[group], int(where[group].sum()), formulas[group])
                for group in GROUPS
            }
        return _merge(parts, where)

    @property
    def per_step(self) -> bool:
        """True if the arms' action statistics are given for each step of the chunk."""
        names = (f'action.{ARMS}', *_JOINT_FEATURES['action'])
        found = next((self.features[name] for name in names if name in self.features), {})
        return any(array.ndim == 2 for array in found.values())

    def _statistic(self, feature: str, formula: str, name: str) -> np.ndarray:
        if feature not in self.features:
            raise ValueError(
                f'{self.path}: lacks the feature {feature!r}; found {sorted(self.features)}'
            )
        if name not in self.features[feature]:
            raise ValueError(
                f'{self.path}: {feature}: formula {formula!r} needs {name!r}; found '
                f'{sorted(self.features[feature])}'
            )
        return self.features[feature][name]

    def _cut(self, feature: str, name: str, array: np.ndarray, dims: int) -> np.ndarray:
        """Return the first ``dims`` values; what is cut has to be padding (zeros)."""
        if array.shape[-1] < dims or np.any(array[..., dims:]):
            raise ValueError(
                f'{self.path}: {feature}.{name}: found {array.shape[-1]} values, expected {dims}'
            )
        return array[..., :dims]


def read_norm_stats(path: Path) -> NormStats:
    """
    Return the statistics in a JSON file of the released shape.

    :raises ValueError: the file cannot be read, or a value is no finite number.
    """
    try:
        raw = json.loads(Path(path).read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f'{path}: cannot be read as JSON: {error}') from error
    stats = raw.get('norm_stats') if isinstance(raw, dict) else None
    if not isinstance(stats, dict) or not stats:
        found = sorted(raw) if isinstance(raw, dict) else type(raw).__name__
        raise ValueError(
            f'{path}: found {found}, expected a "norm_stats" mapping of feature to statistics'
        )
    features = {}
    for feature, values in stats.items():
        if not isinstance(values, dict):
            raise ValueError(
                f'{path}: {feature}: found {type(values).__name__}, expected a mapping such as '
                '{"mean": [...], "std": [...]}'
            )
        features[feature] = {
            name: _numbers(array, f'{path}: {feature}.{name}') for name, array in values.items()
        }
    return NormStats(features, str(path))


def _numbers(values, where: str) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f'{where}: rows of different lengths') from error
    if array.dtype.kind not in 'if' or array.ndim not in (1, 2) or not array.size:
        raise ValueError(f'{where}: expected a list of numbers, or one list for each step')
    if not np.isfinite(array).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f'{where}: found {array[place]} at {list(place)}, expected a number')
    array = array.astype(np.float64)
    array.flags.writeable = False
    return array


def _needed(formula: str) -> tuple[str, ...]:
    if formula not in FORMULAS:
        raise ValueError(f'no normalisation formula {formula!r}; known: {", ".join(FORMULAS)}')
    return FORMULAS[formula]


def _normalizer(
    formula: str, arrays: Mapping[str, np.ndarray], dims: int, where: str
) -> Normalizer:
    unlimited = np.full(dims, np.inf)
    if formula == 'identity':
        zeros = np.zeros(dims)
        return Normalizer(zeros, np.ones(dims), zeros, unlimited, np.zeros(dims, dtype=bool))
    first, second = np.broadcast_arrays(*(arrays[name] for name in FORMULAS[formula]))
    spread = second if formula in ('meanstd', 'std') else second - first
    if np.any(spread < 0):
        dim = int(np.argwhere(spread < 0)[0][-1])
        low, high = FORMULAS[formula]
        raise ValueError(
            f'{where}: dim {dim} has a negative spread ({low} {first[..., dim].max():g}, '
            f'{high} {second[..., dim].min():g})'
        )
    constant = spread <= EPS
    limit = np.full(spread.shape, CLAMP if formula in ('bounds_99', 'bounds_98') else np.inf)
    if formula in ('meanstd', 'std'):
        offset = np.where(constant, first, 0.0) if formula == 'std' else first
        return Normalizer(offset, spread + EPS, np.zeros(spread.shape), limit, constant)
    return Normalizer(first, (spread + EPS) / 2, np.full(spread.shape, -1.0), limit, constant)


def _arrays(part: Normalizer) -> tuple[np.ndarray, ...]:
    return part.offset, part.scale, part.shift, part.limit, part.constant


def _select(part: Normalizer, where: np.ndarray) -> Normalizer:
    """Return the normaliser of the dims where the mask is True."""
    return Normalizer(*(array[..., where] for array in _arrays(part)))


def _merge(parts: Mapping[str, Normalizer], where: Mapping[str, np.ndarray]) -> Normalizer:
    """Return one normaliser of the parts, each at the dims where its mask is True."""
    dims = sum(int(mask.sum()) for mask in where.values())
    steps = {len(part.offset) for part in parts.values() if part.offset.ndim == 2}
    if len(steps) > 1:
        raise ValueError(f'statistics for {sorted(steps)} steps, expected one number of steps')
    shape = (*steps, dims)
    merged = [np.empty(shape, dtype=array.dtype) for array in _arrays(next(iter(parts.values())))]
    for group, part in parts.items():
        for target, array in zip(merged, _arrays(part), strict=True):
            target[..., where[group]] = array
    return Normalizer(*merged)
