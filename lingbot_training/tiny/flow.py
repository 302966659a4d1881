# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Teaching the small model to act: flow matching behind a prefix computed once.

Once the model sees, its vision and language parts stay as they are. So the keys and values of all
samples' prefixes are kept, and only the action expert runs in each step.

Shapes: N samples, B batch, A horizon, S model slots, L prefix tokens, K key heads, h their width.
"""

from dataclasses import dataclass
import logging
import time

import torch
from torch import nn, Tensor

from lingbot_policy.model.flow_matching import (
    but_known,
    flow_error,
    masked_mean,
    sample_known,
    sample_training_times,
    training_pair,
)
from lingbot_policy.model.kv_cache import KVGraph
from lingbot_policy.model.lingbot_vla import LingBotVLA, Prefix
from lingbot_training.tiny.dataset import Dataset
from lingbot_training.tiny.schedule import rise_and_fall

LOGGER = logging.getLogger(__name__)
LOSS = 'L1_fm'
SEEING = ('vision.', 'vlm.', 'embed_tokens.', 'view_patch_positions')


@dataclass(frozen=True)
class PrefixCache:
    """Keys and values of every sample's prefix, (layers, N, K, L, h) in half precision."""

    keys: Tensor
    values: Tensor
    valid_NL: Tensor

    def prefix(self, model: LingBotVLA, rows: Tensor, state_BS: Tensor) -> Prefix:
        """Return the prefix of some samples, as ``LingBotVLA.encode_prefix`` makes it."""
        graph = KVGraph()
        for layer in range(len(self.keys)):
            graph.write_prefix(
                layer, self.keys[layer, rows].float(), self.values[layer, rows].float()
            )
        return model.prefix_from(graph, self.valid_NL[rows], state_BS)


def cache_prefixes(model: LingBotVLA, data: Dataset, batch: int = 128) -> PrefixCache:
    """Return the keys and values of all samples' prefixes."""
    keys, values, valid = [], [], []
    with torch.no_grad():
        for rows in torch.arange(len(data)).split(batch):
            graph = KVGraph()
            inputs = data.inputs(rows)
            model.encode_prefix(*inputs, graph)
            keys.append(torch.stack(graph.keys).half())
            values.append(torch.stack(graph.values).half())
            views = inputs[1].repeat_interleave(model.config.tokens_per_view, dim=1)
            valid.append(torch.cat((views, inputs[3]), dim=1))
    return PrefixCache(torch.cat(keys, dim=1), torch.cat(values, dim=1), torch.cat(valid))


def train_flow(
    model: LingBotVLA,
    data: Dataset,
    cache: PrefixCache,
    steps: int,
    batch: int,
    generator: torch.Generator,
    learning_rate: float = 2e-3,
    known_steps: int = 0,
    every: int = 0,
    on_pause=lambda: None,
) -> None:
    """
    Train the action expert on random samples.

    :param known_steps: most steps of a plan under way which the model learns to continue.
    :param every: steps after which ``on_pause`` is called; 0: never.
    """
    trained = [p for name, p in model.named_parameters() if not name.startswith(SEEING)]
    optimizer = torch.optim.AdamW(trained, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = rise_and_fall(optimizer, steps)
    start, mean = time.monotonic(), None
    for step in range(steps):
        rows = data.draw(batch, generator)
        loss = _flow_loss(model, data, rows, cache, known_steps, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 100 == 0 or step == steps - 1:
            LOGGER.info(
                'flow %d/%d: loss %.4f, %.0f s', step, steps, mean, time.monotonic() - start
            )
        if every and step % every == every - 1:
            on_pause()


def _flow_loss(model, data, rows, cache, known_steps: int, generator) -> Tensor:
    prefix = cache.prefix(model, rows, data.states[rows])
    actions_BAS = data.actions[rows]
    noise_BAS = torch.randn(actions_BAS.shape, generator=generator)
    time_B = sample_training_times(len(rows), generator)
    known_BA = None
    if known_steps:
        known_BA = sample_known(len(rows), actions_BAS.shape[1], known_steps, generator)
    noisy_BAS, target_BAS = training_pair(actions_BAS, noise_BAS, time_B, known_BA)
    embedding_BD = model.time_embedding(time_B)
    velocity_BAS = model.denoise(prefix, noisy_BAS, embedding_BD, known_BA=known_BA)
    mask_BAS = but_known(data.mask_RS[data.robots[rows]][:, None], known_BA)
    return masked_mean(flow_error(velocity_BAS, target_BAS, LOSS), mask_BAS)
