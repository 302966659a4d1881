# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.preprocess import (
    load_tokenizer,
    patches_from_views,
    prompt_text,
    tokens_from_instruction,
)

KEPT = np.load(Path(__file__).parents[1] / 'data' / 'oracle' / 'preprocess.npz')
CONFIG = ModelConfig.released_4b()


def rgb(name):
    return KEPT[name].transpose(1, 2, 0)


@pytest.fixture(scope='session')
def tokenizer(tmp_path_factory):
    """Return a tokenizer of words, saved and loaded as a deployment's would be."""
    from tokenizers import models, pre_tokenizers, Tokenizer
    from transformers import PreTrainedTokenizerFast

    words = ['[pad]', '[unk]', 'pick', 'up', 'the', 'cup', '<', 'bos', '>']
    vocabulary = {word: index for index, word in enumerate(words)}
    words_only = Tokenizer(models.WordLevel(vocabulary, unk_token='[unk]'))
    words_only.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp('tokenizer')
    PreTrainedTokenizerFast(
        tokenizer_object=words_only, pad_token='[pad]', unk_token='[unk]'
    ).save_pretrained(folder)
    return load_tokenizer(folder)


def test_square_views_become_upstreams_patches_and_a_missing_one_zeros():
    patches, present = patches_from_views([rgb('square.base'), None, rgb('square.right')], CONFIG)
    assert present.tolist() == KEPT['square.img_masks'].tolist() == [True, False, True]
    assert_close(patches, torch.from_numpy(KEPT['square.pixel_values']), atol=1e-6, rtol=0)
    assert not patches[1].any()


def test_other_sizes_are_resized_as_the_released_deployment_does():
    resized = rgb('deploy_resize.pil_uint8')
    patches, _ = patches_from_views([rgb('deploy_resize.raw_uint8'), resized, None], CONFIG)
    assert torch.equal(patches[0], patches[1])


def test_a_view_that_is_not_writable_or_not_contiguous_is_taken():
    view = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(view[::-1])[::-1]
    flipped.flags.writeable = False
    patches, _ = patches_from_views([view, flipped, None], CONFIG)
    assert torch.equal(patches[0], patches[1])


@pytest.mark.parametrize(
    'view',
    [
        np.zeros((224, 224, 3), np.float32),
        np.zeros((3, 224, 224), np.uint8),
        np.zeros((224, 224), np.uint8),
        np.zeros((0, 224, 3), np.uint8),
    ],
)
def test_views_that_are_not_uint8_rgb_are_refused(view):
    with pytest.raises(ValueError, match=r'view 1 is .*; expected uint8 \(rows, columns, 3\)'):
        patches_from_views([None, view, None], CONFIG)


def test_the_number_of_views_must_fit():
    with pytest.raises(ValueError, match='found 2 views; the model takes 3'):
        patches_from_views([None, None], CONFIG)


def test_a_prompt_starts_with_bos_and_ends_with_a_newline_once():
    assert prompt_text('pick up the cup') == '<bos>pick up the cup\n'
    assert prompt_text('<bos>pick up the cup\n') == '<bos>pick up the cup\n'


def test_a_prompt_is_padded_on_the_right(tokenizer):
    tokens, valid = tokens_from_instruction('pick up', tokenizer, 8)
    assert tokens.tolist() == [6, 7, 8, 2, 3, 0, 0, 0]
    assert valid.tolist() == [True] * 5 + [False] * 3
    assert tokens.dtype is torch.int64


def test_a_prompt_that_is_too_long_is_an_error_with_its_length(tokenizer):
    with pytest.raises(ValueError, match='has 7 tokens, the model takes 6'):
        tokens_from_instruction('pick up the cup', tokenizer, 6)
    tokens, valid = tokens_from_instruction('pick up the cup', tokenizer, 6, truncate=True)
    assert tokens.tolist() == [6, 7, 8, 2, 3, 4]
    assert valid.all()


def test_an_empty_instruction_is_refused(tokenizer):
    with pytest.raises(ValueError, match='instruction is empty'):
        tokens_from_instruction(' \n', tokenizer, 8)


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(ValueError, match=f'{tmp_path}: found no tokenizer'):
        load_tokenizer(tmp_path)
