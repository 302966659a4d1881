# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a new chunk before it is made: the steps that will be executed anyway."""

import numpy as np

from lingbot_policy.chunk import NS
from lingbot_policy.contract import PolicyContract
from lingbot_policy.policy import Prefix


def known_steps(
    prefix: Prefix, contract: PolicyContract, t_ref_ns: int
) -> tuple[np.ndarray, np.ndarray]:
    """
    Return the committed plan at the times of a chunk's steps, and at which of them it is known.

    :returns: positions (horizon, dof), absolute, in robot units, and booleans (horizon,); where
        nothing is known the positions repeat the plan's nearest.
    """
    step = np.arange(contract.horizon) + contract.first_step_offset
    due_s = (t_ref_ns - prefix.start_ns) / NS + step / contract.rate_hz
    place = due_s * prefix.rate_hz
    last = len(prefix.positions) - 1
    # A plan is kept in nanoseconds: its ends are hit to a millionth of a step.
    known = (place >= -1e-6) & (place <= last + 1e-6)
    plan = np.arange(last + 1)
    positions = [np.interp(place, plan, joint) for joint in np.asarray(prefix.positions).T]
    return np.stack(positions, axis=1), known
