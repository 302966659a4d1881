# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""A policy without a model: stay where the robot is measured to be."""

from dataclasses import dataclass
from pathlib import Path
import time

import numpy as np

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.contract import PolicyContract, scripted_contract
from lingbot_policy.observation import Observation
from lingbot_policy.policy import Prefix
from lingbot_policy.robot import Robot


@dataclass(frozen=True)
class HoldPolicy:
    """Every step of its chunk is the state of the observation."""

    contract: PolicyContract

    @classmethod
    def load(cls, robot: Robot, bundle: Path | None = None, seed: int = 0) -> 'HoldPolicy':
        """Return the policy for a robot. It has neither weights nor chance."""
        return cls(scripted_contract('hold', robot))

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """
        Return the measured state for the whole horizon.

        :raises ValueError: if the state is not one finite value per joint.
        """
        start = time.perf_counter()
        state = np.asarray(observation.state, dtype=np.float64)
        if state.shape != (len(self.contract.joints),) or not np.isfinite(state).all():
            raise ValueError(
                f'state: found {state}, expected {len(self.contract.joints)} finite values'
            )
        return ActionChunk(
            positions=np.tile(state, (self.contract.horizon, 1)),
            t_ref_ns=observation.t_ref_ns,
            rate_hz=self.contract.rate_hz,
            contract_digest=self.contract.digest,
            instruction=observation.instruction,
            timing={'infer': time.perf_counter() - start},
        )

    def reset(self) -> None:
        """Nothing of the past is kept."""
