# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Flow matching: from noise to actions.

Time runs from 1 (noise) to 0 (data), as the released weights were trained; the paper writes
s = 1 - t. On the line x_t = t noise + (1 - t) actions the network predicts the velocity
u = noise - actions, so sampling integrates x from t = 1 with negative steps.

Shapes: B batch, A horizon, S model slots.
"""

from collections.abc import Callable
from dataclasses import dataclass
import math
from typing import NamedTuple

import torch
from torch import Tensor

MIN_PERIOD = 4e-3
MAX_PERIOD = 4.0

LOSSES = {'fm': torch.square, 'L1_fm': torch.abs}
TIME_GRIDS = ('accumulated_fp32', 'rounded_bf16', 'upstream_bf16')


@dataclass(frozen=True)
class TimeGrid:
    """Times at which the velocity is evaluated, and the (negative) step taken from each."""

    times: tuple[float, ...]
    dts: tuple[float, ...]


def euler_grid(steps: int, name: str = 'accumulated_fp32') -> TimeGrid:
    """
    Return the evaluation times of ``steps`` Euler steps.

    ``accumulated_fp32``: t += dt in fp32, as upstream does in a float32 deployment.
    ``rounded_bf16``: 1 - i / steps rounded to bfloat16; steps are the differences, the last
    lands on 0.
    ``upstream_bf16``: t += dt in bfloat16, as upstream's default deployment does: t drifts, and
    50 steps make 51 evaluations (Robbyant/lingbot-vla @ 61ef6b1).

    :raises ValueError: if ``steps`` is below 1 or ``name`` is unknown.
    """
    if steps < 1:
        raise ValueError(f'denoising steps must be at least 1, found {steps}')
    if name == 'rounded_bf16':
        times = torch.linspace(1.0, 0.0, steps + 1, dtype=torch.float64).bfloat16().double()
        return TimeGrid(tuple(times[:-1].tolist()), tuple(times.diff().tolist()))
    if name not in TIME_GRIDS:
        raise ValueError(f'no time grid {name!r}; known: {", ".join(TIME_GRIDS)}')
    dtype = torch.float32 if name == 'accumulated_fp32' else torch.bfloat16
    dt = torch.tensor(-1.0 / steps, dtype=dtype)
    time = torch.tensor(1.0, dtype=dtype)
    times = []
    while time >= 1.0 / (2 * steps):
        times.append(time.item())
        time = time + dt
    return TimeGrid(tuple(times), len(times) * (dt.item(),))


def time_embedding(time_B: Tensor, width: int) -> Tensor:
    """Return sines, then cosines of ``time_B`` at geometric periods, fp32, shape (B, width)."""
    fraction = torch.linspace(0.0, 1.0, width // 2, device=time_B.device)
    period = MIN_PERIOD * (MAX_PERIOD / MIN_PERIOD) ** fraction
    angle = time_B.float()[:, None] * (2.0 * math.pi / period)
    return torch.cat((angle.sin(), angle.cos()), dim=-1)


def training_pair(
    actions_BAS: Tensor, noise_BAS: Tensor, time_B: Tensor, known_BA: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """
    Return the noisy actions at ``time_B`` and the velocity the network should predict there.

    :param known_BA: True for actions which are given as they are.
    """
    time_BA1 = time_B[:, None, None]
    if known_BA is not None:
        time_BA1 = time_BA1.masked_fill(known_BA[:, :, None], 0.0)
    noisy_BAS = time_BA1 * noise_BAS + (1.0 - time_BA1) * actions_BAS
    return noisy_BAS, noise_BAS - actions_BAS


class FlowLoss(NamedTuple):
    """
    ``total`` is what to minimise; ``elements_BAS`` are unmasked, without the depth term.

    A tuple, so that sharded and distributed training find the tensors in it.
    """

    total: Tensor
    action: Tensor
    depth: Tensor | None
    elements_BAS: Tensor


def flow_error(velocity_BAS: Tensor, target_BAS: Tensor, loss: str) -> Tensor:
    """
    Return the error of each element: ``L1_fm`` absolute, ``fm`` squared.

    :raises ValueError: if ``loss`` is neither.
    """
    if loss not in LOSSES:
        raise ValueError(f'no loss {loss!r}; known: {", ".join(LOSSES)}')
    return LOSSES[loss](velocity_BAS - target_BAS)


def but_known(mask_BAS: Tensor | None, known_BA: Tensor | None) -> Tensor | None:
    """Return where the loss counts: where ``mask_BAS`` says so, except for known actions."""
    if known_BA is None:
        return mask_BAS
    unknown_BA1 = ~known_BA[:, :, None]
    return unknown_BA1 if mask_BAS is None else unknown_BA1 & mask_BAS


def masked_mean(elements_BAS: Tensor, mask_BAS: Tensor | None) -> Tensor:
    """Return the mean where ``mask_BAS`` (broadcast) is True; None: of all elements."""
    if mask_BAS is None:
        return elements_BAS.mean()
    weights_BAS = mask_BAS.expand_as(elements_BAS).to(elements_BAS.dtype)
    return (elements_BAS * weights_BAS).sum() / weights_BAS.sum().clamp(min=1.0)


def euler_sample(
    velocity: Callable[[Tensor, int], Tensor], noise_BAS: Tensor, grid: TimeGrid
) -> Tensor:
    """Return the actions reached from ``noise_BAS`` along ``velocity(x_t, step)``."""
    x_BAS = noise_BAS
    for step, dt in enumerate(grid.dts):
        x_BAS = x_BAS + dt * velocity(x_BAS, step)
    return x_BAS


def sample_known(
    batch: int, horizon: int, most: int, generator: torch.Generator | None = None
) -> Tensor:
    """
    Return for each sample which of its actions are given, (batch, horizon): the first few.

    Half of the samples are given none, the others 1 to ``most``, each number as often
    (training-time action conditioning, arXiv 2512.05964).
    """
    steps_B = torch.randint(1, most + 1, (batch,), generator=generator)
    steps_B = steps_B * torch.randint(2, (batch,), generator=generator)
    return torch.arange(horizon) < steps_B[:, None]


def sample_training_times(
    batch: int, generator: torch.Generator | None = None, device: torch.device | str = 'cpu'
) -> Tensor:
    """
    Return training times (batch,) of the law the released weights were trained with.

    Robbyant/lingbot-vla @ 61ef6b1 divides g1 = U1^(1/1.5) by g1 + g2, g2 = U2, without the
    rejection which would make it Beta(1.5, 1): mean 0.5588 instead of 0.6006.
    """
    uniform_2B = torch.rand(2, batch, generator=generator, device=device)
    g1_B = uniform_2B[0] ** (1.0 / 1.5)
    return 0.999 * g1_B / (g1_B + uniform_2B[1]) + 0.001
