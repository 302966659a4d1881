# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Normalisation, against what Robbyant/lingbot-vla @ 61ef6b1 computed (tests/data/norm)."""

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from lingbot_policy.normalization import ARMS, FORMULAS, GRIPPERS, NormStats, read_norm_stats

UPSTREAM = np.load(Path(__file__).parent / 'data' / 'norm' / 'upstream.npz')
IS_GRIPPER = np.isin(np.arange(14), (6, 13))
LOW = {'mean': 0.5, 'std': 0.25, 'min': -2.0, 'max': 3.0}
LOW |= {'q01': -1.0, 'q99': 2.0, 'q02': -0.5, 'q98': 1.5}


def stats(features: dict) -> NormStats:
    arrays = {
        feature: {name: np.asarray(value, dtype=float) for name, value in values.items()}
        for feature, values in features.items()
    }
    return NormStats(arrays, 'norm_stats.json')


def both(formula: str) -> dict[str, str]:
    return {ARMS: formula, GRIPPERS: formula}


def robotwin_stats(prefix: str) -> dict:
    """Return one side of robotwin_50's statistics, split as they stand in its file."""
    quantiles = {q: UPSTREAM[f'inputs.norm.robotwin_50.{prefix}.{q}'] for q in ('q01', 'q99')}
    return {
        f'{prefix}.{ARMS}': {q: v[~IS_GRIPPER] for q, v in quantiles.items()},
        f'{prefix}.{GRIPPERS}': {q: v[IS_GRIPPER] for q, v in quantiles.items()},
    }


def write(path: Path, content) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize('formula', ['meanstd', 'std', 'bounds_99_woclip', 'identity'])
def test_a_formula_gives_what_upstream_gave(formula):
    names = ('mean', 'std', 'q01', 'q99')
    feature = {name: UPSTREAM[f'inputs.norm.customized.action.{name}'] for name in names}
    normalizer = stats({'action': feature}).normalizer('action', 14, formula)
    actions = UPSTREAM['inputs.norm.robotwin_action']
    expected = UPSTREAM[f'outputs.norm.customized.{formula}.action']
    back = UPSTREAM[f'outputs.norm.customized.{formula}.unnormalized']
    np.testing.assert_allclose(normalizer.normalize(actions), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(normalizer.denormalize(expected), back, rtol=1e-12, atol=1e-12)


def test_split_statistics_of_robotwin_are_interleaved_as_upstream_did():
    split = stats({**robotwin_stats('action'), **robotwin_stats('observation.state')})
    actions = UPSTREAM['inputs.norm.robotwin_action']
    action = split.robot_normalizer('action', IS_GRIPPER, both('bounds_99_woclip'))
    state = split.robot_normalizer('state', IS_GRIPPER, both('bounds_99_woclip'))
    expected = UPSTREAM['outputs.norm.bounds_99_woclip.action']
    np.testing.assert_allclose(action.normalize(actions), expected, atol=1e-12)
    np.testing.assert_allclose(
        state.normalize(actions[0]), UPSTREAM['outputs.norm.bounds_99_woclip.state'], atol=1e-12
    )
    np.testing.assert_allclose(
        action.denormalize(expected),
        UPSTREAM['outputs.norm.bounds_99_woclip.unnormalized'],
        atol=1e-6,  # upstream goes back from float32
    )


@pytest.mark.parametrize(
    ('formula', 'expected'),
    [
        ('identity', 1.0),
        ('meanstd', 0.5 / 0.250001),
        ('std', 1.0 / 0.250001),
        ('minmax', 3.0 / 5.000001 * 2 - 1),
        ('bounds_99', 2.0 / 3.000001 * 2 - 1),
        ('bounds_99_woclip', 2.0 / 3.000001 * 2 - 1),
        ('bounds_98', 1.5 / 2.000001 * 2 - 1),
        ('bounds_98_woclip', 1.5 / 2.000001 * 2 - 1),
    ],
)
def test_every_formula_gives_the_number_worked_out_by_hand(formula, expected):
    feature = {name: [value] for name, value in LOW.items()}
    normalizer = stats({'action': feature}).normalizer('action', 1, formula)
    assert normalizer.normalize([1.0]) == pytest.approx([expected], abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    formula=st.sampled_from(sorted(FORMULAS)),
    value=st.floats(-1.2, 2.2),
    shift=st.floats(-3.0, 3.0),
    width=st.floats(0.1, 4.0),
)
def test_values_come_back_from_every_formula(formula, value, shift, width):
    feature = {name: [shift + width * number] for name, number in LOW.items()}
    feature['std'] = [width]
    normalizer = stats({'action': feature}).normalizer('action', 1, formula)
    inside = np.array([shift + width * min(max(value, -0.9), 1.9)])
    back = normalizer.denormalize(normalizer.normalize(inside))
    np.testing.assert_allclose(back, inside, atol=1e-9)


@pytest.mark.parametrize('formula', ['bounds_99', 'bounds_98'])
def test_clamped_bounds_stop_at_one_and_a_half(formula):
    feature = {name: [value] for name, value in LOW.items()}
    normalizer = stats({'action': feature}).normalizer('action', 1, formula)
    assert normalizer.normalize([[1e3], [-1e3]]).ravel().tolist() == [1.5, -1.5]
    # What the model says is not clamped: only what it is told.
    assert normalizer.denormalize([2.0])[0] > normalizer.denormalize([1.5])[0]


@pytest.mark.parametrize('formula', [name for name in FORMULAS if name != 'identity'])
def test_a_constant_dim_comes_back_as_the_constant(formula):
    feature = {name: [0.7] for name in LOW} | {'std': [0.0]}
    normalizer = stats({'action': feature}).normalizer('action', 1, formula)
    numbers = normalizer.normalize([[0.7], [0.7 + 1e-9], [5.0]])
    assert np.isfinite(numbers).all()
    assert len(set(numbers.ravel())) == 1
    assert normalizer.denormalize([[-50.0], [0.0], [50.0]]).ravel().tolist() == [0.7, 0.7, 0.7]


def test_arms_and_grippers_may_have_different_formulas():
    feature = {name: np.full(14, value) for name, value in LOW.items()}
    joint = stats({'observation.state': feature})
    normalizer = joint.robot_normalizer(
        'state', IS_GRIPPER, {ARMS: 'meanstd', GRIPPERS: 'identity'}
    )
    numbers = normalizer.normalize(np.full(14, 0.75))
    np.testing.assert_allclose(numbers[~IS_GRIPPER], 0.25 / 0.250001)
    np.testing.assert_allclose(numbers[IS_GRIPPER], 0.75)


def test_arms_of_different_lengths_keep_their_own_statistics():
    is_gripper = np.isin(np.arange(15), (7, 14))  # 7 DoF left, 6 DoF right
    features = {
        f'action.{ARMS}': {'mean': np.arange(13.0), 'std': np.ones(13)},
        f'action.{GRIPPERS}': {'mean': [20.0, 21.0], 'std': [1.0, 1.0]},
    }
    normalizer = stats(features).robot_normalizer('action', is_gripper, both('meanstd'))
    expected = [0, 1, 2, 3, 4, 5, 6, 20, 7, 8, 9, 10, 11, 12, 21]
    assert normalizer.denormalize(np.zeros(15)).tolist() == expected


def test_statistics_per_step_are_cut_to_a_shorter_chunk():
    steps = np.arange(50.0)[:, None] * np.ones((1, 12))
    features = {
        f'action.{ARMS}': {'mean': steps, 'std': np.ones((50, 12))},
        f'action.{GRIPPERS}': {'mean': np.zeros(2), 'std': np.ones(2)},
    }
    per_step = stats(features)
    normalizer = per_step.robot_normalizer('action', IS_GRIPPER, both('meanstd'))
    numbers = normalizer.normalize(np.zeros((3, 14)))
    assert per_step.per_step
    np.testing.assert_allclose(numbers[:, 0], [0.0, -1.0, -2.0], atol=1e-5)
    np.testing.assert_allclose(numbers[:, IS_GRIPPER], 0.0)
    with pytest.raises(ValueError, match=r'at most 50 steps'):
        normalizer.normalize(np.zeros((51, 14)))


def test_padding_of_libero_statistics_is_cut_and_nothing_else(tmp_path):
    padded = {'mean': [1.0] * 7 + [0.0] * 25, 'std': [2.0] * 7 + [0.0] * 25}
    read = read_norm_stats(write(tmp_path / 's.json', {'norm_stats': {'actions': padded}}))
    numbers = read.normalizer('actions', 7, 'meanstd').normalize(np.full((5, 7), 3.0))
    np.testing.assert_allclose(numbers, 2.0 / 2.000001)
    with pytest.raises(ValueError, match=r'actions.mean: found 32 values, expected 6'):
        read.normalizer('actions', 6, 'meanstd')


def test_a_missing_statistic_is_named_with_file_feature_and_what_was_found(tmp_path):
    features = {'action': {'q01': [0.0] * 14, 'q99': [1.0] * 14}}
    read = read_norm_stats(write(tmp_path / 'stats.json', {'norm_stats': features, 'count': 3}))
    with pytest.raises(ValueError) as error:
        read.robot_normalizer('action', IS_GRIPPER, both('meanstd'))
    for part in ('stats.json', 'action', "'mean'", "['q01', 'q99']", 'meanstd'):
        assert part in str(error.value)


def test_a_missing_feature_is_named_with_those_found():
    only_action = stats(robotwin_stats('action'))
    with pytest.raises(ValueError, match=r'lacks.*observation.state.arm.position.*action.arm'):
        only_action.robot_normalizer('state', IS_GRIPPER, both('bounds_99'))


@pytest.mark.parametrize('bad', [float('nan'), float('inf')])
def test_a_statistic_that_is_no_number_is_refused(tmp_path, bad):
    path = write(tmp_path / 's.json', {'norm_stats': {'action': {'mean': [0.0, bad]}}})
    with pytest.raises(ValueError, match=r's.json: action.mean: found (nan|inf) at \[1\]'):
        read_norm_stats(path)


def test_quantiles_the_wrong_way_round_are_refused():
    swapped = stats({'action': {'q01': [0.0, 1.0], 'q99': [1.0, 0.5]}})
    with pytest.raises(ValueError, match=r'action: dim 1 has a negative spread'):
        swapped.normalizer('action', 2, 'bounds_99')


def test_a_vector_of_another_length_is_refused():
    feature = {name: np.full(14, value) for name, value in LOW.items()}
    normalizer = stats({'action': feature}).normalizer('action', 14, 'meanstd')
    with pytest.raises(ValueError, match=r'shape \(50, 16\), expected 14'):
        normalizer.normalize(np.zeros((50, 16)))


def test_an_unknown_formula_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'bounds_97'; known: identity, meanstd"):
        stats({'action': {}}).normalizer('action', 1, 'bounds_97')


@pytest.mark.parametrize('content', [[], {'stats': {}}, {'norm_stats': {'action': [1]}}])
def test_a_file_of_another_shape_is_refused_by_name(tmp_path, content):
    with pytest.raises(ValueError, match=r's.json: .*expected a'):
        read_norm_stats(write(tmp_path / 's.json', content))
