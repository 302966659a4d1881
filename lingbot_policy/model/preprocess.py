# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Camera views and prompt, as the model takes them.

The released deployment resizes a view with PIL's bilinear filter to a square without keeping its
aspect, then cuts Qwen2.5-VL patches (Robbyant/lingbot-vla @ 61ef6b1).

Shapes: V views, P patches of a view, K = 3 * frames * patch * patch values, T prompt tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lingbot_policy.model.config import ModelConfig

# Of the Qwen2.5-VL-3B-Instruct image processor (CLIP's).
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)

# Not a token of Qwen's tokenizer: the released weights saw its pieces.
PROMPT_PREFIX = '<bos>'


def patches_from_views(
    views: Sequence[np.ndarray | None], config: ModelConfig
) -> tuple[Tensor, Tensor]:
    """
    Return patches (V, P, K) in fp32 and which views are present (V,).

    :param views: uint8 (rows, columns, 3) RGB of any size, in the model's camera order; None
        where a camera is missing.
    :raises ValueError: if a view is not uint8 RGB, or their number is not ``config.views``.
    """
    if len(views) != config.views:
        raise ValueError(f'found {len(views)} views; the model takes {config.views}')
    patches_VPK = torch.zeros(
        config.views, config.patches_per_view, config.vision.patch_values, dtype=torch.float32
    )
    for index, view in enumerate(views):
        if view is not None:
            patches_VPK[index] = _patches(resized_view(view, index, config.image_size), config)
    return patches_VPK, torch.tensor([view is not None for view in views])


def resized_view(view: np.ndarray, index: int, size: int) -> np.ndarray:
    """
    Return a view as the released deployment scales it, uint8 (size, size, 3).

    :raises ValueError: naming view ``index`` if it is not uint8 RGB.
    """
    if view.dtype != np.uint8 or view.ndim != 3 or view.shape[2] != 3 or 0 in view.shape:
        raise ValueError(
            f'view {index} is {view.dtype} {view.shape}; expected uint8 (rows, columns, 3)'
        )
    if view.shape[:2] == (size, size):
        return view
    from PIL import Image  # not needed where frames are resized on the device

    return np.asarray(Image.fromarray(view).resize((size, size), Image.Resampling.BILINEAR))


def merge_order(pixels: Tensor, config: ModelConfig) -> Tensor:
    """
    Return the patches (..., P, 3, patch, patch) of square views (..., rows, columns, 3).

    Those of one token are neighbours.
    """
    grid, merge, patch = config.merged_grid, config.vision.merge_size, config.vision.patch_size
    pixels = pixels.unflatten(-3, (grid, merge, patch)).unflatten(-2, (grid, merge, patch))
    first = pixels.ndim - 7
    # (row, merge row, patch row, column, merge column, patch column, channel)
    order = [first + axis for axis in (0, 3, 1, 4, 6, 2, 5)]
    pixels = pixels.permute(*range(first), *order)
    return pixels.flatten(first, first + 3)


def prompt_text(instruction: str) -> str:
    """Return the instruction as the released weights were trained on it."""
    prefix = '' if instruction.startswith(PROMPT_PREFIX) else PROMPT_PREFIX
    suffix = '' if instruction.endswith('\n') else '\n'
    return f'{prefix}{instruction}{suffix}'


def tokens_from_instruction(
    instruction: str, tokenizer: Any, prompt_length: int, truncate: bool = False
) -> tuple[Tensor, Tensor]:
    """
    Return the prompt's tokens (T,) int64, padded on the right, and which of them are valid (T,).

    :param tokenizer: see ``load_tokenizer``.
    :param truncate: cut a prompt that is too long, as upstream does.
    :raises ValueError: if the instruction is empty, or too long and not ``truncate``.
    """
    if not instruction.strip():
        raise ValueError('the instruction is empty; say what the robot should do')
    tokens = tokenizer.encode(prompt_text(instruction))
    if len(tokens) > prompt_length and not truncate:
        raise ValueError(
            f'the instruction has {len(tokens)} tokens, the model takes {prompt_length}; '
            f'shorten it: {instruction!r}'
        )
    tokens = tokens[:prompt_length]
    tokens_T = torch.full((prompt_length,), tokenizer.pad_token_id or 0, dtype=torch.int64)
    tokens_T[: len(tokens)] = torch.tensor(tokens)
    return tokens_T, torch.arange(prompt_length) < len(tokens)


def load_tokenizer(folder: str | Path) -> Any:
    """
    Return the tokenizer in ``folder``; nothing is downloaded.

    :raises ValueError: if there is none.
    """
    from transformers import AutoTokenizer  # takes seconds to import; only deployments need it

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise ValueError(
            f'{folder}: found no tokenizer; expected the tokenizer files of Qwen2.5-VL'
        ) from error


def _patches(view: np.ndarray, config: ModelConfig) -> Tensor:
    """Return the patches (P, K) of a square view, those of one token next to each other."""
    mean, std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)
    pixels = (torch.tensor(np.ascontiguousarray(view)).float() / 255.0 - mean) / std
    frame_P = merge_order(pixels, config)[:, :, None]
    return frame_P.expand(-1, -1, config.vision.temporal_patch_size, -1, -1).flatten(1)
