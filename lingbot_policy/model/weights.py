# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Weights in files, under the names upstream gave them.

Our modules own fused projections (queries, keys and values; gate and up; scale and shift).
Upstream's tensors are runs of rows of ours: ``pieces`` is the whole translation, in both
directions. Names and shapes: Robbyant/lingbot-vla @ 61ef6b1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import logging
from pathlib import Path

import torch
from torch import nn, Tensor

from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.depth import draw_query_bank, QUERY_BANK_SEED
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.safetensors_file import (
    new_chunk,
    open_weights,
    StoredTensor,
    write_weights,
)

LOGGER = logging.getLogger(__name__)

QUERY_BANK = 'model.depth_align_embs'
_QWEN = 'model.qwenvl_with_expert.qwenvl.'

# The beginning of our parameter's path -> upstream's.
PREFIXES = {
    'vision.': _QWEN + 'visual.',
    'embed_tokens.': _QWEN + 'model.embed_tokens.',
    'vlm.': _QWEN + 'model.',
    'expert.': 'model.qwenvl_with_expert.qwen_expert.model.',
    'depth.head.': 'model.depth_align_head.projector.',
    '': 'model.',
}

# A part of our parameter's path -> upstream's, one for each run of rows; the first match counts.
RENAMES = {
    'patch_embed': ('patch_embed.proj',),
    'attn_qkv': ('attn.qkv',),
    'attn_proj': ('attn.proj',),
    'mlp_gate_up': ('mlp.gate_proj', 'mlp.up_proj'),
    'mlp_down': ('mlp.down_proj',),
    'merger.norm': ('merger.ln_q',),
    'merger.up': ('merger.mlp.0',),
    'merger.down': ('merger.mlp.2',),
    'before_attention.norm.modulation': ('input_layernorm.gamma', 'input_layernorm.beta'),
    'before_attention.norm': ('input_layernorm',),
    'before_attention.qkv': ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'),
    'after_attention.o_proj': ('self_attn.o_proj',),
    'after_attention.norm.modulation': (
        'post_attention_layernorm.gamma',
        'post_attention_layernorm.beta',
    ),
    'after_attention.norm': ('post_attention_layernorm',),
    'after_attention.gate_up': ('mlp.gate_proj', 'mlp.up_proj'),
    'after_attention.down': ('mlp.down_proj',),
    'context_norm': ('0.norm1',),
    'latent_norm': ('0.norm2',),
    'to_q': ('0.to_q',),
    'to_kv': ('0.to_kv',),
    'to_out': ('0.to_out',),
    'ff_norm': ('1.0',),
    'ff_up': ('1.1',),
    'ff_down': ('1.3',),
    'depth.query_bank': ('depth_align_embs',),
}


@dataclass(frozen=True)
class Piece:
    """Rows ``first`` up to ``first + rows`` of our ``parameter``: one tensor of upstream's."""

    name: str
    shape: tuple[int, ...]
    parameter: str
    first: int
    rows: int


def pieces(model: LingBotVLA) -> Iterator[Piece]:
    """Yield upstream's tensors, in the order of our parameters."""
    for parameter, values in model.named_parameters():
        names = upstream_names(parameter)
        first = 0
        for name, rows in zip(
            names, _row_split(names, values.shape[0], model.config), strict=True
        ):
            shape = (rows, *values.shape[1:])
            if parameter == 'vision.patch_embed.weight':
                vision = model.config.vision
                shape = (rows, 3, vision.temporal_patch_size, *2 * [vision.patch_size])
            yield Piece(name, shape, parameter, first, rows)
            first += rows


def load_model(
    folder: str | Path,
    config: ModelConfig,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = 'cpu',
    exact: tuple[str, ...] = (),
) -> LingBotVLA:
    """
    Return the model of the ``*.safetensors`` in ``folder`` (or of one such file), in eval mode.

    Values stream through one small buffer straight into place: no second copy in memory.

    :param exact: parts of names of parameters which stay in float32 whatever ``dtype`` is.
    :raises ValueError: naming every missing, unexpected or mis-shaped tensor, or the file that is
        missing or cut off.
    """
    with torch.device('meta'):
        model = LingBotVLA(config)
    stored = open_weights(Path(folder))
    wanted = list(pieces(model))
    _check(wanted, stored, folder)
    for path, parameter in list(model.named_parameters()):
        module, _, name = path.rpartition('.')
        kept = torch.float32 if any(part in path for part in exact) else dtype
        values = nn.Parameter(torch.empty(parameter.shape, dtype=kept, device=device))
        setattr(model.get_submodule(module), name, values)
    _fill(model, wanted, stored)
    return model.to(device).eval()


def save_weights(model: LingBotVLA, path: str | Path) -> None:
    """
    Write the weights under upstream's names.

    :param path: a ``.safetensors`` file, or a folder for shards of at most 5 GB and their index.
    """
    write_weights(Path(path), dict(upstream_state(model)))


def upstream_state(
    model: LingBotVLA, values: dict[str, Tensor] | None = None
) -> Iterator[tuple[str, Tensor]]:
    """
    Yield upstream's names and views of our weights.

    :param values: by our parameters' names, instead of the weights: gradients, averages.
    """
    values = dict(model.named_parameters()) if values is None else values
    for piece in pieces(model):
        yield piece.name, _rows(values, piece)


def upstream_names(parameter: str) -> list[str]:
    """Return upstream's names of the runs of rows which make up our ``parameter``."""
    prefix = next(ours for ours in PREFIXES if parameter.startswith(ours))
    path = parameter.removeprefix(prefix)
    ours = next((part for part in RENAMES if part in path), '')
    return [PREFIXES[prefix] + path.replace(ours, theirs) for theirs in RENAMES.get(ours, ('',))]


def _rows(parameters: dict[str, Tensor], piece: Piece) -> Tensor:
    values = parameters[piece.parameter].detach()
    return values[piece.first : piece.first + piece.rows].view(piece.shape)


def _fill(model: LingBotVLA, wanted: list[Piece], stored: dict[str, StoredTensor]) -> None:
    parameters = dict(model.named_parameters())
    chunk = new_chunk()
    for piece in wanted:
        target = _rows(parameters, piece)
        if piece.name in stored:
            stored[piece.name].read_into(target, chunk)
        else:
            target.copy_(draw_query_bank(*piece.shape))
            LOGGER.warning(
                'the weights have no %s; drawn from seed %d', QUERY_BANK, QUERY_BANK_SEED
            )


def _check(wanted: list[Piece], stored: dict[str, StoredTensor], folder: str | Path) -> None:
    shapes = {piece.name: piece.shape for piece in wanted}
    missing = [name for name in shapes if name not in stored and name != QUERY_BANK]
    unexpected = [name for name in stored if name not in shapes]
    misshaped = [
        f'{name}: found {stored[name].shape}, expected {shape}'
        for name, shape in shapes.items()
        if name in stored and stored[name].shape != shape
    ]
    faults = [
        f'{len(names)} {what}: {", ".join(names)}'
        for what, names in (
            ('missing', missing),
            ('unexpected', unexpected),
            ('of another shape', misshaped),
        )
        if names
    ]
    if faults:
        raise ValueError(
            f'{folder}: weights do not fit the model config; tensors {"; ".join(faults)}. '
            'Check the config these weights were trained with'
        )


def _row_split(names: list[str], rows: int, config: ModelConfig) -> list[int]:
    if len(names) == 3:
        kv_rows = config.vlm.kv_heads * config.vlm.head_dim
        return [rows - 2 * kv_rows, kv_rows, kv_rows]
    return [rows // len(names)] * len(names)
