# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The whole line from observation to chunk, with a real tiny model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lingbot_policy.backends.lingbot import default_bundle, LingBotPolicy
from lingbot_policy.bundle import load_bundle
from lingbot_policy.contract import NotTrained, POLICY_FILE
from lingbot_policy.import_weights import import_weights
from lingbot_policy.model.preprocess import (
    load_tokenizer,
    patches_from_views,
    tokens_from_instruction,
)
from lingbot_policy.model.weights import load_model
from lingbot_policy.observation import Observation
from lingbot_policy.policy import load_policy, Prefix
from lingbot_policy.robot import parse_robot

EPS = 1e-6
GRIPPERS = [6, 13]
# Robot order to slots, by hand: right arm after the left, grippers at 14 and 15.
CONCAT_GROUPS = [0, 1, 2, 3, 4, 5, 14, 6, 7, 8, 9, 10, 11, 15]


def observation(**changes) -> Observation:
    random = np.random.default_rng(3)
    shapes = {'head': (48, 64, 3), 'left_wrist': (60, 40, 3), 'right_wrist': (224, 224, 3)}
    images = {n: random.integers(0, 256, s, dtype=np.uint8) for n, s in shapes.items()}
    fields = {
        't_ref_ns': 123_000_000_000,
        'images': images,
        'image_stamps_ns': dict.fromkeys(images, 123_000_000_000),
        'state': np.linspace(-0.4, 0.5, 14),
        'instruction': 'fold the towel',
    }
    return Observation(**{**fields, **changes})


def on_cpu(robot, folder, seed: int = 0, precision='reference', **options) -> LingBotPolicy:
    """Return the policy in the precision the comparisons below need, on every machine."""
    options = {'precision': precision, **options}
    return LingBotPolicy.load(robot, folder, seed, device='cpu', **options)


@pytest.fixture
def bundle(download, robot, tmp_path):
    """A bundle as the code of early 2026 trained: RoboTwin's own order, absolute targets."""
    import_weights(download.weights, robot, tmp_path / 'bundle', download.choices())
    return tmp_path / 'bundle'


@pytest.fixture
def relative_bundle(download, robot, tmp_path):
    """A bundle of a later version: groups, relative arms with statistics for each step."""
    download.edit_cli('data', joints=[{'arm.position': 14}, {'effector.position': 2}])
    steps = np.linspace(0.5, 1.5, 50)[:, None] * np.linspace(0.1, 1.0, 12)
    download.edit_stats('action.arm.position', q01=-steps, q99=steps)
    choices = download.choices(layout=None)
    import_weights(download.weights, robot, tmp_path / 'relative', choices)
    return tmp_path / 'relative'


def model_actions(
    folder, seen: Observation, seed: int, sequence: int, slots_of_state
) -> np.ndarray:
    """Return what the model says, its inputs put together by hand."""
    found = load_bundle(folder)
    model = load_model(folder, found.config)
    order = ('head', 'left_wrist', 'right_wrist')
    images, masks = patches_from_views([seen.images.get(name) for name in order], found.config)
    tokens, valid = tokens_from_instruction(seen.instruction, load_tokenizer(folder), 24)
    philox = np.random.Philox(key=np.array([seed, sequence], dtype=np.uint64))
    noise = np.random.Generator(philox).standard_normal((1, 50, 75), dtype=np.float32)
    return model.sample_actions(
        images[None],
        masks[None],
        tokens[None],
        valid[None],
        torch.from_numpy(slots_of_state.astype(np.float32))[None],
        torch.from_numpy(noise),
        steps=10,
        time_grid='rounded_bf16',
    )[0].numpy()


def quantiles(folder, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Return q01 and q99 in robot order, (dof,) or (50, dof)."""
    features = load_bundle(folder).norm_stats.features
    both = []
    for name in ('q01', 'q99'):
        arms = features[f'{side}.arm.position'][name]
        grippers = np.broadcast_to(
            features[f'{side}.effector.position'][name], (*arms.shape[:-1], 2)
        )
        both.append(
            np.concatenate(
                [arms[..., :6], grippers[..., :1], arms[..., 6:], grippers[..., 1:]], axis=-1
            )
        )
    return tuple(both)


def test_a_chunk_is_what_its_parts_give_by_hand(bundle, robot):
    seen = observation()
    low, high = quantiles(bundle, 'observation.state')
    state = np.zeros(75)
    state[:14] = (seen.state - low) / (high - low + EPS) * 2 - 1
    actions = model_actions(bundle, seen, seed=5, sequence=1, slots_of_state=state)[:, :14]
    low, high = quantiles(bundle, 'action')
    expected = (actions + 1.0) / 2 * (high - low + EPS) + low

    chunk = on_cpu(robot, bundle, seed=5).infer(seen)
    np.testing.assert_allclose(chunk.positions, expected, atol=1e-5)
    assert chunk.positions.shape == (50, 14)
    assert chunk.positions.std() > 0.01


def test_relative_arms_get_the_current_state_added_and_grippers_do_not(relative_bundle, robot):
    seen = observation()
    low, high = quantiles(relative_bundle, 'observation.state')
    state = np.zeros(75)
    state[CONCAT_GROUPS] = (seen.state - low) / (high - low + EPS) * 2 - 1
    actions = model_actions(relative_bundle, seen, seed=0, sequence=1, slots_of_state=state)
    low, high = quantiles(relative_bundle, 'action')
    expected = (actions[:, CONCAT_GROUPS] + 1.0) / 2 * (high - low + EPS) + low
    arms = [i for i in range(14) if i not in GRIPPERS]
    expected[:, arms] += seen.state[arms]

    chunk = on_cpu(robot, relative_bundle).infer(seen)
    np.testing.assert_allclose(chunk.positions, expected, atol=1e-5)


def test_a_chunk_carries_what_it_was_made_from(bundle, robot):
    policy = on_cpu(robot, bundle, seed=7)
    seen = observation()
    chunk = policy.infer(seen)
    assert chunk.t_ref_ns == seen.t_ref_ns
    assert chunk.rate_hz == policy.contract.rate_hz == robot.file.policy_rate_hz
    assert chunk.contract_digest == load_bundle(bundle).contract.digest
    assert (chunk.seed, chunk.sequence, chunk.instruction) == (7, 1, 'fold the towel')
    assert list(chunk.timing) == ['observe', 'preprocess', 'infer', 'postprocess']
    assert all(seconds > 0 for seconds in chunk.timing.values())


def test_the_seed_and_the_sequence_decide_the_noise(bundle, robot):
    seen = observation()
    first, again, other = (on_cpu(robot, bundle, seed=s) for s in (1, 1, 2))
    chunk = first.infer(seen).positions
    assert np.array_equal(again.infer(seen).positions, chunk)
    assert not np.allclose(other.infer(seen).positions, chunk)
    again.reset()
    second = again.infer(seen)
    assert not np.allclose(second.positions, chunk)
    assert second.sequence == 2
    assert np.array_equal(first.infer(seen).positions, second.positions)


def test_a_missing_wrist_camera_is_masked(bundle, robot):
    seen = observation()
    images = {n: image for n, image in seen.images.items() if n != 'left_wrist'}
    without = replace(seen, images=images)
    low, high = quantiles(bundle, 'observation.state')
    state = np.zeros(75)
    state[:14] = (seen.state - low) / (high - low + EPS) * 2 - 1
    actions = model_actions(bundle, without, seed=0, sequence=1, slots_of_state=state)[:, :14]
    low, high = quantiles(bundle, 'action')
    masked = on_cpu(robot, bundle).infer(without).positions
    np.testing.assert_allclose(masked, (actions + 1.0) / 2 * (high - low + EPS) + low, atol=1e-5)
    assert not np.allclose(masked, on_cpu(robot, bundle).infer(seen).positions)


def test_an_observation_the_model_must_not_see_is_refused(bundle, robot):
    policy = on_cpu(robot, bundle)
    seen = observation()
    state = seen.state.copy()
    state[6] = np.nan
    float_image = {**seen.images, 'left_wrist': seen.images['left_wrist'] / 255.0}
    mono = {**seen.images, 'head': seen.images['head'][:, :, 0]}
    no_head = {n: image for n, image in seen.images.items() if n != 'head'}
    for changes, message in (
        ({'state': state}, 'fl_gripper = nan'),
        ({'state': np.full(14, np.inf)}, 'fl_joint1 = inf'),
        ({'state': np.zeros(16)}, r'shape \(16,\), expected \(14,\)'),
        ({'images': float_image}, r'camera left_wrist: found float64 \(60, 40, 3\)'),
        ({'images': mono}, r'camera head: found uint8 \(48, 64\)'),
        ({'images': no_head}, 'head camera is missing'),
        ({'instruction': ' '}, 'instruction is empty'),
        ({'instruction': 'open the drawer ' * 20}, 'the model takes 24; shorten it'),
    ):
        with pytest.raises(ValueError, match=message):
            policy.infer(replace(seen, **changes))
    # A refused observation takes no noise: the next chunk is still the first.
    assert policy.infer(seen).sequence == 1


def test_a_model_that_breaks_down_gives_no_chunk(bundle, robot):
    policy = on_cpu(robot, bundle)
    with torch.no_grad():
        policy._model.action_out_proj.bias[3] = float('nan')
    with pytest.raises(ValueError, match=r'the model gave nan at step 0'):
        policy.infer(observation())


def test_a_bundle_of_another_robot_is_refused(bundle, robot):
    other = parse_robot(robot.text.replace('name: agilex_cobot_magic', 'name: other'), 'o.yaml')
    with pytest.raises(ValueError, match=r'robot: policy has agilex_cobot_magic, robot has other'):
        load_policy('lingbot', other, bundle)


def test_without_a_bundle_of_its_own_a_robot_is_told_how_to_get_one(robot):
    other = parse_robot(robot.text.replace('name: agilex_cobot_magic', 'name: other'), 'o.yaml')
    with pytest.raises(ValueError, match=r'lingbot import-weights'):
        default_bundle(other)


def test_bfloat16_stays_near_float32(bundle, robot):
    seen = observation()
    exact = on_cpu(robot, bundle).infer(seen).positions
    rounded = on_cpu(robot, bundle, precision='bf16')
    # Measured: 0.035 at most, with spans of 2 .. 3.5 rad.
    assert np.abs(rounded.infer(seen).positions - exact).max() < 0.1


def plan_of(chunk, first: int, steps: int, **changes) -> Prefix:
    """Return steps of a chunk as the executor would commit them."""
    start_ns = chunk.t_ref_ns + round(first * chunk.step_ns)
    fields = {'positions': chunk.positions[first : first + steps], 'start_ns': start_ns}
    return Prefix(**{**fields, 'rate_hz': chunk.rate_hz, 'delay_s': 0.1, **changes})


@pytest.mark.parametrize('kind', ['bundle', 'relative_bundle'])
def test_a_guided_chunk_follows_the_committed_plan(kind, robot, request):
    """The plan is of another noise; arms that moved since change relative targets."""
    folder = request.getfixturevalue(kind)
    first = on_cpu(robot, folder, seed=1).infer(observation())
    later = replace(
        observation(state=observation().state + 0.02),
        t_ref_ns=first.t_ref_ns + round(5 * first.step_ns),
    )
    plan = plan_of(first, 5, 30)
    free, guided = (
        on_cpu(robot, folder, seed=2, guidance=guidance).infer(later, plan).positions
        for guidance in (None, 'full')
    )
    wanted = plan.positions[:3]
    assert np.abs(guided[:3] - wanted).mean() < 0.5 * np.abs(free[:3] - wanted).mean()
    alone = on_cpu(robot, folder, seed=2, guidance='full').infer(later).positions
    assert np.array_equal(alone, free)


def test_weights_that_learned_it_are_given_the_plan_they_continue(bundle, robot):
    """The steps until the chunk arrives are the plan's own; more was not asked of it."""
    with pytest.raises(NotTrained, match=r'rtc_trained_steps in policy\.yaml is 0'):
        on_cpu(robot, bundle, guidance='trained')
    contract = load_bundle(bundle).contract.model_copy(update={'rtc_trained_steps': 9})
    (bundle / POLICY_FILE).write_text(contract.to_yaml())
    first = on_cpu(robot, bundle, seed=1).infer(observation())
    later = replace(observation(), t_ref_ns=first.t_ref_ns + round(5 * first.step_ns))
    plan = plan_of(first, 5, 30)  # 0.1 s at 30 Hz are 3 steps, and 2 for the take-over
    continued = on_cpu(robot, bundle, seed=2, guidance='trained').infer(later, plan).positions
    np.testing.assert_allclose(continued[:5], plan.positions[:5], atol=1e-4)
    assert np.abs(continued[5] - plan.positions[5]).max() > 1e-3
    seeing = replace(later, t_ref_ns=later.t_ref_ns - round(2 * first.step_ns))
    early = on_cpu(robot, bundle, seed=2, guidance='trained').infer(seeing, plan).positions
    np.testing.assert_allclose(early[:3], plan.positions[[0, 0, 0]], atol=1e-4)


def test_a_plan_that_reaches_no_step_changes_nothing(bundle, robot):
    chunk = on_cpu(robot, bundle).infer(observation())
    old = plan_of(chunk, 0, 10, start_ns=chunk.t_ref_ns - 10**12)
    guided = on_cpu(robot, bundle, guidance='full').infer(observation(), old)
    assert np.array_equal(guided.positions, chunk.positions)


def test_a_plan_whose_delay_is_unknown_changes_nothing(bundle, robot):
    chunk = on_cpu(robot, bundle).infer(observation())
    plan = plan_of(chunk, 0, 30, delay_s=0.0)
    guided = on_cpu(robot, bundle, guidance='full').infer(observation(), plan)
    assert np.array_equal(guided.positions, chunk.positions)


def test_the_measured_delay_decides_how_many_steps_are_frozen(bundle, robot):
    """The longer it is, the more of the plan will have been executed, and must be repeated."""
    first = on_cpu(robot, bundle, seed=1).infer(observation())
    later = replace(observation(), t_ref_ns=first.t_ref_ns + round(5 * first.step_ns))

    def away(delay_s: float) -> float:
        plan = plan_of(first, 5, 30, delay_s=delay_s)
        guided = on_cpu(robot, bundle, seed=2, guidance='full').infer(later, plan).positions
        return float(np.abs(guided[:20] - plan.positions[:20]).mean())

    assert away(20.5 / first.rate_hz) < 0.8 * away(1.0 / first.rate_hz)


def test_the_contract_decides_what_happens_to_slots_without_a_joint(bundle, robot):
    """Unsupervised slots are integrated, or follow the noise they held in training."""
    released = on_cpu(robot, bundle).infer(observation())
    file = bundle / 'policy.yaml'
    file.write_text(file.read_text().replace('pad_dims: integrate', 'pad_dims: noise_schedule'))
    ours = on_cpu(robot, bundle).infer(observation())
    assert ours.contract_digest != released.contract_digest
    assert np.isfinite(ours.positions).all()
    assert np.abs(ours.positions - released.positions).max() > 1e-4


def test_the_policy_says_how_it_runs(bundle, robot):
    assert on_cpu(robot, bundle).path == 'eager'
    with pytest.raises(ValueError, match="'graph' captures CUDA graphs"):
        on_cpu(robot, bundle, path='graph')
