# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Every number upstream's run left behind, from our implementation of the same maths."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lingbot_policy.model.attention import positions_of, suffix_may_attend
from lingbot_policy.model.flow_matching import euler_grid, euler_sample
from lingbot_policy.model.kv_cache import KVGraph
from lingbot_policy.model.weights import load_model, upstream_state

ORACLE = Path(__file__).parents[1] / 'data' / 'oracle'
CASES = ('two_full', 'masked_cam', 'one_long')
CLOSE = {'atol': 1e-4, 'rtol': 1e-4}
ACTION_DIMS = torch.arange(75) < 14


def for_all_kept(*names):
    """Parametrise over those arrays called ``names`` which were not left out for size."""
    kept = [
        (folder, case, name)
        for folder in ('released', 'depth_query')
        for array in np.load(ORACLE / folder / 'outputs.npz').files
        for case, _, name in [array.partition('.')]
        if name in names
    ]
    return pytest.mark.parametrize(('oracle', 'case', 'name'), kept, indirect=['oracle'])


def joint_forward(oracle, case, need_output=True):
    """Return the prefix, the suffix tokens and output, the time condition and the velocity."""
    seen = {}
    expert = oracle.model.expert
    hooks = [
        expert.layers[0].before_attention.register_forward_pre_hook(
            lambda _, args: seen.update(suffix_embs=args[0], ada_cond=args[2][:, 0])
        ),
        expert.norm.register_forward_hook(lambda _, __, out: seen.update(suffix_out=out)),
    ]
    noise, time = oracle.given(case, 'noise'), oracle.given(case, 'time')[:, None, None]
    noisy = time * noise + (1 - time) * oracle.given(case, 'actions')
    prefix = oracle.model.encode_prefix(*oracle.observation(case), KVGraph(), need_output)
    embedding = oracle.model.time_embedding(time.flatten())
    seen['velocity'] = oracle.model.denoise(prefix, noisy, embedding)
    for hook in hooks:
        hook.remove()
    return prefix, seen


def valid_of(oracle, case):
    return oracle.found(case, 'train.prefix_pad_masks')


@torch.no_grad()
def test_image_tokens_are_upstreams(released):
    patches, *_ = released.observation('two_full')
    tokens = released.model.vision(patches.flatten(0, 1))
    assert_close(tokens, released.found('two_full', 'train.image_embeds'), **CLOSE)


def test_patches_are_upstreams(released):
    patches, *_ = released.observation('one_long')
    assert_close(patches, released.given('one_long', 'images'), **CLOSE)


@for_all_kept('train.prefix_embs')
@torch.no_grad()
def test_prefix_and_its_padding_are_upstreams(oracle, case, name):
    embeds, valid = oracle.model.embed_prefix(*oracle.observation(case)[:-1])
    assert torch.equal(valid, valid_of(oracle, case))
    assert_close(embeds, oracle.found(case, name), **CLOSE)


@pytest.mark.parametrize('case', CASES)
def test_masks_and_positions_are_upstreams(oracle, case):
    valid = valid_of(oracle, case)
    depth = oracle.model.depth
    prefix = depth.may_attend(valid) if depth else valid[:, None].expand(-1, valid.shape[1], -1)
    blind = torch.zeros(*valid.shape, 51, dtype=torch.bool)
    ours = torch.cat((torch.cat((prefix, blind), dim=2), suffix_may_attend(valid, 51)), dim=1)

    asks = torch.nn.functional.pad(valid, (0, 51), value=True)
    assert torch.equal(ours & asks[:, :, None], oracle.found(case, 'train.attention_mask'))
    assert torch.equal(positions_of(asks), oracle.found(case, 'train.position_ids'))
    prefix_length = valid.shape[1]
    ours = ours[:, :prefix_length, :prefix_length] & valid[:, :, None]
    assert torch.equal(ours, oracle.found(case, 'sample10.prefix_attention_mask'))
    assert torch.equal(positions_of(valid), oracle.found(case, 'sample10.prefix_position_ids'))


@for_all_kept('train.suffix_embs', 'train.ada_cond', 'train.suffix_out', 'train.velocity')
@torch.no_grad()
def test_suffix_and_velocity_are_upstreams(oracle, case, name):
    _, seen = joint_forward(oracle, case)
    assert_close(seen[name.removeprefix('train.')], oracle.found(case, name), **CLOSE)


@for_all_kept('train.prefix_out')
@torch.no_grad()
def test_prefix_output_is_upstreams_where_valid(oracle, case, name):
    prefix, _ = joint_forward(oracle, case)
    expected, valid = oracle.found(case, name), valid_of(oracle, case)
    assert_close(prefix.out_BLD[valid], expected[valid], **CLOSE)


@for_all_kept('train.kv0_key', 'train.kv3_key', 'sample10.prefix_kv3_key')
@torch.no_grad()
def test_keys_and_values_are_upstreams_where_valid(oracle, case, name):
    keys, values = (oracle.found(case, key) for key in (name, name.replace('_key', '_value')))
    prefix, _ = joint_forward(oracle, case)
    cache, valid = prefix.keys_values, valid_of(oracle, case)
    layer, length = (3 if 'kv3' in name else 0), valid.shape[1]
    for ours, expected in ((cache.keys, keys), (cache.values, values)):
        ours = ours[layer].transpose(1, 2)
        assert_close(ours[valid], expected[:, :length][valid], **CLOSE)


@torch.no_grad()
def test_inner_layers_are_upstreams(released):
    kept = np.load(released.folder / 'layers_two_full.npz')
    seen = {}
    model = released.model
    modules = {
        'vit.block0.view0': model.vision.blocks[0],
        'vit.block3.view0': model.vision.blocks[3],
        'vlm.layer1.sample0': model.vlm.layers[1].after_attention,
        'expert.layer1.sample0': model.expert.layers[1].after_attention,
    }
    hooks = [
        module.register_forward_hook(lambda _, __, out, name=name: seen.update({name: out}))
        for name, module in modules.items()
    ]
    joint_forward(released, 'two_full')
    for hook in hooks:
        hook.remove()
    for name in ('vit.block0.view0', 'vit.block3.view0'):
        assert_close(seen[name][0], torch.from_numpy(kept[name]), **CLOSE)
    valid = valid_of(released, 'two_full')[0]
    expected = torch.from_numpy(kept['vlm.layer1.sample0'])[0]
    assert_close(seen['vlm.layer1.sample0'][0][valid], expected[valid], **CLOSE)
    expected = torch.from_numpy(kept['expert.layer1.sample0'])
    assert_close(seen['expert.layer1.sample0'][:1], expected, **CLOSE)
    tokens = kept['vit.window_index'][:64]
    assert torch.equal(model.vision.row_major, torch.from_numpy(tokens).argsort())


def flow_loss(oracle, case, loss):
    names = ('actions', 'noise', 'time')
    return oracle.model(
        *oracle.observation(case),
        *(oracle.given(case, name) for name in names),
        loss,
        ACTION_DIMS,
        oracle.given(case, 'depth_targets') if oracle.config.depth else None,
    )


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('loss', ['fm', 'L1_fm'])
@torch.no_grad()
def test_losses_are_upstreams(oracle, case, loss):
    ours = flow_loss(oracle, case, loss)
    assert_close(ours.total, oracle.found(case, f'train.{loss}.loss_total'), **CLOSE)
    assert_close(ours.action, oracle.found(case, f'train.{loss}.loss_vla'), **CLOSE)
    per_sample = oracle.found(case, f'train.{loss}.batch_mean_losses')
    assert_close(ours.elements_BAS.mean((1, 2)), per_sample, **CLOSE)
    if oracle.config.depth:
        weighted = ours.depth * oracle.config.depth.loss_weight
        assert_close(weighted, oracle.found(case, f'train.{loss}.loss_depth_weighted'), **CLOSE)


@pytest.mark.parametrize(('case', 'loss'), [('masked_cam', 'L1_fm'), ('one_long', 'fm')])
@torch.no_grad()
def test_elements_of_the_loss_are_upstreams(released, case, loss):
    elements = flow_loss(released, case, loss).elements_BAS
    assert_close(elements, released.found(case, f'train.{loss}.losses'), **CLOSE)


@pytest.mark.parametrize('case', CASES)
@torch.no_grad()
def test_depth_predictions_are_upstreams_for_present_cameras(depth_query, case):
    prefix, _ = joint_forward(depth_query, case)
    present = depth_query.given(case, 'img_masks').flatten()
    ours = depth_query.model.depth.predict(prefix.out_BLD)
    assert_close(ours[present], depth_query.found(case, 'train.depth_preds')[present], **CLOSE)


def test_gradients_are_upstreams(oracle):
    kept = np.load(oracle.folder / 'grads_two_full_L1_fm.npz')
    model = oracle.model
    flow_loss(oracle, 'two_full', 'L1_fm').total.backward()
    gradients = {
        name: parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
        for name, parameter in model.named_parameters()
    }
    model.zero_grad()
    bank = gradients.get('depth.query_bank')
    norm = torch.nn.utils.get_total_norm([g for g in gradients.values() if g is not bank])
    assert_close(norm.item(), oracle.found('two_full', 'train.L1_fm.grad_norm').item(), **CLOSE)

    ours = dict(upstream_state(model, gradients))
    for name, expected in kept.items():
        error = (ours[name] - torch.from_numpy(expected)).norm()
        assert error <= 1e-4 * np.linalg.norm(expected), name
    if not oracle.config.depth:
        assert all(not ours[name].any() for name in ours if name not in kept)


@pytest.mark.parametrize('case', CASES)
@pytest.mark.parametrize('steps', [5, 10])
def test_sampled_actions_are_upstreams(oracle, case, steps):
    noise = oracle.given(case, 'sample_noise')
    actions = oracle.model.sample_actions(*oracle.observation(case), noise, steps)
    assert_close(actions, oracle.found(case, f'sample{steps}.actions'), **CLOSE)
    times = oracle.found(case, f'sample{steps}.time')[:, 0]
    assert_close(torch.tensor(euler_grid(steps).times), times, atol=0, rtol=0)


@torch.no_grad()
def test_every_denoising_step_is_upstreams(released):
    grid = euler_grid(10)
    schedule = released.model.schedule(grid)
    prefix = released.model.encode_prefix(*released.observation('one_long'))
    path = []

    def velocity(x, step):
        path.append((x, released.model.denoise(prefix, x, *schedule[step])))
        return path[-1][1]

    euler_sample(velocity, released.given('one_long', 'sample_noise'), grid)
    x_t, v_t = (torch.stack(values) for values in zip(*path, strict=True))
    assert_close(x_t, released.found('one_long', 'sample10.x_t'), **CLOSE)
    assert_close(v_t, released.found('one_long', 'sample10.v_t'), **CLOSE)


@pytest.mark.parametrize('case', ['two_full', 'masked_cam'])
@pytest.mark.parametrize('steps', [5, 10])
def test_bfloat16_actions_are_close_to_upstreams(released, case, steps):
    kept = np.load(released.folder.parent / 'bf16.npz')
    model = load_model(released.folder, released.config, torch.bfloat16)
    *views_and_prompt, _ = released.observation(case)
    state, noise = (torch.from_numpy(kept[f'{case}.{name}']) for name in ('state', 'sample_noise'))
    actions = model.sample_actions(*views_and_prompt, state, noise, steps, 'upstream_bf16')
    expected = torch.from_numpy(kept[f'{case}.sample{steps}.actions'])
    assert (actions - expected).abs().mean() < 0.02
    assert_close(actions, expected, atol=1e-1, rtol=1e-1)
    times = kept[f'{case}.sample{steps}.time'][:, 0]
    assert euler_grid(steps, 'upstream_bf16').times == tuple(times.tolist())
