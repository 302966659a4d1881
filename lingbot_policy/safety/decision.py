# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What the safety gate is told about the joints, and what it answers."""

from dataclasses import dataclass
from enum import StrEnum
import math

import numpy as np


class Reaction(StrEnum):
    """What the gate made of a command, from harmless to final."""

    COMMAND = 'command'
    CLAMP = 'clamp'
    HOLD = 'hold'
    BRAKE = 'brake'
    STOP = 'stop'


@dataclass(frozen=True)
class Decision:
    """
    The command to send, shape (dof,), and how it came about.

    ``joint``, ``value`` and ``limit`` name the worst offence, where there is one.
    """

    reaction: Reaction
    positions: np.ndarray
    reason: str = ''
    joint: str = ''
    value: float = 0.0
    limit: float = 0.0

    @property
    def word(self) -> str:
        """The check which decided, one word to count by; empty for a command let through."""
        return self.reason.partition(':')[0]


@dataclass(frozen=True)
class MeasuredState:
    """Measured joints (dof,), NaN where never received, and when each was received, ns."""

    positions: np.ndarray
    received_ns: np.ndarray


def told(value: float, limit: float) -> tuple[str, str]:
    """
    Return a finite value and its limit as text, never the same unless they are equal.

    At least three decimals, and as many as three digits of the limit and of what lies between
    the two take.
    """
    between = abs(value - limit)
    least = min((size for size in (between, abs(limit)) if size > 0.0), default=1.0)
    decimals = max(3, 2 - math.floor(math.log10(least)))
    return f'{value:.{decimals}f}', f'{limit:.{decimals}f}'
