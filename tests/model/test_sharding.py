# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Sharded training, with one process: do the hooks fire, and does precision survive the casts."""

import pytest
import torch
from torch import distributed
from torch.distributed.fsdp import fully_shard, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor
from torch.testing import assert_close

pytestmark = pytest.mark.filterwarnings('ignore:FSDP2-wrapped module')


@pytest.fixture
def process_group(tmp_path):
    store = distributed.FileStore(str(tmp_path / 'store'), 1)
    distributed.init_process_group('gloo', store=store, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def shard(model, dtype):
    """Shard every half of a layer and the rest; the action expert computes in fp32."""
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
    exact = MixedPrecisionPolicy(param_dtype=torch.float32, reduce_dtype=torch.float32)
    for expert, precision in ((model.vlm, policy), (model.expert, exact)):
        for layer in expert.layers:
            fully_shard(layer.before_attention, mp_policy=precision)
            fully_shard(layer.after_attention, mp_policy=precision)
    for block in model.vision.blocks:
        fully_shard(block, mp_policy=policy)
    fully_shard(model, mp_policy=policy)


def batch_for(model, observe):
    config = model.config
    actions, noise = torch.randn(2, 2, config.horizon, config.max_action_dim)
    return *observe(config, 2), actions, noise, torch.tensor([0.3, 0.8]), 'fm'


def loss_and_gradients(model, batch):
    loss = model(*batch).total
    loss.backward()
    gradients = {
        name: parameter.grad.full_tensor() if isinstance(parameter, DTensor) else parameter.grad
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.zero_grad(set_to_none=True)
    return loss.detach().float(), gradients


def test_sharding_changes_neither_loss_nor_gradients(process_group, tiny_model, observe):
    batch = batch_for(tiny_model, observe)
    loss, gradients = loss_and_gradients(tiny_model, batch)
    shard(tiny_model, torch.float32)
    sharded_loss, sharded = loss_and_gradients(tiny_model, batch)
    assert_close(sharded_loss, loss)
    assert sharded.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (sharded[name] - gradient).norm() <= 1e-4 * gradient.norm(), name


def test_mixed_precision_casts_the_weights_but_not_the_rotations(
    process_group, tiny_model, observe
):
    batch = batch_for(tiny_model, observe)
    loss, gradients = loss_and_gradients(tiny_model, batch)
    shard(tiny_model, torch.bfloat16)
    seen = {}
    for name, expert in (('vlm', tiny_model.vlm), ('expert', tiny_model.expert)):
        expert.layers[0].before_attention.register_forward_pre_hook(
            lambda _, args, name=name: seen.update({name: (args[0].dtype, args[1].cos.dtype)})
        )
    sharded_loss, sharded = loss_and_gradients(tiny_model, batch)
    assert seen['vlm'] == (torch.bfloat16, torch.float32)
    assert seen['expert'] == (torch.float32, torch.float32)
    assert_close(sharded_loss, loss, atol=0, rtol=3e-2)
    assert sharded.keys() == gradients.keys()
    assert all(gradient.isfinite().all() for gradient in sharded.values())
