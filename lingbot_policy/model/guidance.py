# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Real-time chunking: a new chunk continues what will be executed anyway.

Guided, each denoising step estimates where it will end, A = x - t v, and steers the velocity by
how A differs from the known actions Y under the weights W (arXiv 2506.07339, in the released
time: 1 is noise, 0 is data):

    v <- v - min(beta, ((1 - t)^2 + t^2) / (t (1 - t))) (dA/dx)^T W (Y - A)

Weights that were trained for it need no pull: known actions are given as they are, at time 0, and
the rest is made to continue them (arXiv 2512.05964).

Shapes: B batch, A horizon, S model slots.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# ``identity_jacobian`` takes dA/dx as 1: cheaper, without a backward pass, and less smooth.
GUIDED = ('full', 'identity_jacobian')
TRAINED = 'trained'
VARIANTS = (*GUIDED, TRAINED)


@dataclass(frozen=True)
class Guidance:
    """
    Known actions of a new chunk: ``target`` (A, S) and ``weights`` (A, S) from 0 to 1.

    ``beta`` bounds the pull; weights of unknown steps and of slots no robot uses are 0. Trained
    weights are given the steps of weight 1, and nothing of the others.
    """

    target: np.ndarray
    weights: np.ndarray
    beta: float = 5.0


def step_weights(horizon: int, delay: int, known: int) -> np.ndarray:
    """
    Return the weight of each step, shape (horizon,).

    1 for the first ``delay`` steps, which are executed before this chunk arrives; then falling
    exponentially to 0 at step ``known``, from which on nothing is known.

    :raises ValueError: unless 0 <= delay <= known <= horizon.
    """
    if not 0 <= delay <= known <= horizon:
        raise ValueError(
            f'guidance: delay {delay}, known {known}, horizon {horizon}; '
            'expected 0 <= delay <= known <= horizon'
        )
    step = np.arange(horizon)
    rest = np.clip((known - step) / (known - delay + 1), 0.0, 1.0)
    falling = rest * np.expm1(rest) / np.expm1(1.0)
    return np.where(step < delay, 1.0, np.where(step < known, falling, 0.0))


def known_steps(weights_BAS: Tensor) -> Tensor:
    """Return the steps (B, A, 1) which trained weights are given."""
    return (weights_BAS >= 1.0).any(dim=-1, keepdim=True)


def guided(
    velocity: Callable[[Tensor], Tensor],
    x_BAS: Tensor,
    time: Tensor,
    target_BAS: Tensor,
    weights_BAS: Tensor,
    beta: Tensor,
    variant: str = 'full',
) -> Tensor:
    """Return the velocity at ``x_BAS`` and ``time``, steered towards the target."""
    # Not a branch: at time 1 the bound is infinite and beta holds.
    gain = torch.minimum(beta, ((1 - time) ** 2 + time**2) / (time * (1 - time)))
    with torch.enable_grad():
        x_BAS = x_BAS.detach().requires_grad_(variant == 'full')
        velocity_BAS = velocity(x_BAS)
        estimate_BAS = x_BAS - time * velocity_BAS
    pull_BAS = (weights_BAS * (target_BAS - estimate_BAS)).detach()
    if variant == 'full':
        (pull_BAS,) = torch.autograd.grad(estimate_BAS, x_BAS, pull_BAS)
    return velocity_BAS.detach() - gain * pull_BAS
