# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import torch
from torch.testing import assert_close

from lingbot_policy.model.attention import (
    additive_mask,
    attend,
    fold_queries,
    positions_of,
    rope_1d,
    suffix_may_attend,
)

KEPT = np.load(Path(__file__).parents[1] / 'data' / 'oracle' / 'preprocess.npz')


def test_rope_is_upstreams_with_base_10000():
    rope = rope_1d(torch.from_numpy(KEPT['rope.positions']), 128)
    ours = rope.rotate(torch.from_numpy(KEPT['rope.x']))
    assert_close(ours, torch.from_numpy(KEPT['rope.out']), atol=1e-5, rtol=1e-5)


def test_rope_turns_in_fp32_and_keeps_the_dtype():
    x = torch.randn(1, 3, 2, 8)
    rope = rope_1d(torch.tensor([[5000, 5001, 5002]]), 8)
    turned = rope.rotate(x.bfloat16())
    assert turned.dtype is torch.bfloat16
    exact = rope.rotate(x.bfloat16().float())
    assert torch.equal(turned, exact.bfloat16())


def test_positions_count_valid_tokens_only():
    valid = torch.tensor([[False, True, False, True, True], [True, True, False, False, False]])
    assert positions_of(valid).tolist() == [[-1, 0, 0, 1, 2], [0, 1, 1, 1, 1]]


def test_the_state_does_not_see_the_actions_and_nobody_sees_padding():
    may_attend = suffix_may_attend(torch.tensor([[True, False]]), 3)[0]
    assert may_attend.int().tolist() == [[1, 0, 1, 0, 0], [1, 0, 1, 1, 1], [1, 0, 1, 1, 1]]


def test_grouped_attention_equals_the_textbook():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 6, 4), torch.randn(2, 2, 5, 4), torch.randn(2, 2, 5, 4)
    allowed = torch.rand(2, 3, 5) > 0.4
    allowed[..., 0] = True
    ours = attend(fold_queries(q, 2), k, v, additive_mask(allowed, 3, torch.float32), 3)

    expanded_k, expanded_v = (x.repeat_interleave(3, dim=1) for x in (k, v))
    logits = torch.einsum('bthd,bhld->bhtl', q, expanded_k) / 2.0
    weights = logits.masked_fill(~allowed[:, None], -torch.inf).softmax(dim=-1)
    expected = torch.einsum('bhtl,bhld->bthd', weights, expanded_v).flatten(2)
    assert_close(ours, expected)


def test_a_row_that_sees_nothing_averages_instead_of_nan():
    values = torch.randn(1, 1, 4, 2)
    for dtype in (torch.float32, torch.bfloat16):
        mask = additive_mask(torch.zeros(1, 1, 4, dtype=torch.bool), 1, dtype)
        asked = values.to(dtype)
        out = attend(torch.randn(1, 1, 1, 2).to(dtype), asked, asked, mask, 1)
        assert_close(out[0, 0], asked[0, 0].float().mean(0).to(dtype), atol=1e-2, rtol=1e-2)
