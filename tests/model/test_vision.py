# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from torch.testing import assert_close
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)

from lingbot_policy.model.config import ExpertConfig, ModelConfig, VisionConfig
from lingbot_policy.model.vision import patch_positions, VisionTower, window_order
from lingbot_policy.model.weights import upstream_names

WIDTH, LAYERS, HEADS, MLP, OUT, FULL = 32, 3, 2, 44, 24, (1,)


def qwen_tower():
    config = Qwen2_5_VLVisionConfig(
        depth=LAYERS,
        hidden_size=WIDTH,
        num_heads=HEADS,
        intermediate_size=MLP,
        out_hidden_size=OUT,
        fullatt_block_indexes=list(FULL),
        window_size=112,
        attn_implementation='eager',
    )
    torch.manual_seed(0)
    return Qwen2_5_VisionTransformerPretrainedModel._from_config(config).eval()


def our_tower(image_size, qwen):
    expert = ExpertConfig(width=OUT, layers=1, heads=2, kv_heads=1, head_dim=8, mlp=8)
    config = ModelConfig(
        vision=VisionConfig(WIDTH, LAYERS, HEADS, MLP, FULL),
        vlm=expert,
        expert=expert,
        image_size=image_size,
    )
    tower = VisionTower(config).eval()
    theirs = qwen.state_dict()
    for name, values in tower.named_parameters():
        prefix = 'model.qwenvl_with_expert.qwenvl.visual.'
        names = [path.removeprefix(prefix) for path in upstream_names(f'vision.{name}')]
        values.data.copy_(torch.cat([theirs.pop(path) for path in names]).view(values.shape))
    assert not theirs
    return tower


@pytest.mark.parametrize('image_size', [56, 112, 224, 336])
@torch.no_grad()
def test_the_tower_equals_transformers_qwen2_5_vl(image_size):
    qwen = qwen_tower()
    tower = our_tower(image_size, qwen)
    side = image_size // 14
    patches = torch.randn(2, side * side, 1176)
    grid = torch.tensor([[1, side, side]] * 2)
    theirs = qwen(patches.flatten(0, 1), grid_thw=grid).pooler_output
    assert_close(tower(patches).flatten(0, 1), theirs, atol=1e-5, rtol=1e-5)


def test_a_view_of_112_px_is_one_window():
    assert torch.equal(window_order(4, 4), torch.arange(16))


def test_windows_of_a_224_px_view_are_its_quarters():
    expected = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27]
    assert window_order(8, 4)[:16].tolist() == expected


def test_patches_of_one_token_are_neighbours():
    assert patch_positions(2, 2)[:6].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3]]
