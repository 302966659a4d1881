# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The learning rate over a training: a short rise, then half a cosine down to nothing."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

RISE = 0.08


def rise_and_fall(optimizer: Optimizer, steps: int) -> LambdaLR:
    """Return a schedule of ``steps`` steps which peaks at the optimizer's learning rate."""
    rising = max(1.0, RISE * steps)

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1.0, steps - rising))

    return LambdaLR(optimizer, share)
