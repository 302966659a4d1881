# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
A scripted policy: it sees the block in the first head picture and hands it over.

It has no weights, knows nothing but its observations, and shows that the line from cameras to
commands works. It follows its plan by where the arms are, so that pauses do no harm.
"""

import logging
from pathlib import Path
import time

import numpy as np

from lingbot_policy.chunk import ActionChunk
from lingbot_policy.contract import PolicyContract, scripted_contract
from lingbot_policy.observation import Observation
from lingbot_policy.policy import Prefix
from lingbot_policy.robot import Robot
from lingbot_policy.sim.detect import colour_asked_for, find_block
from lingbot_policy.sim.expert import OutOfReach, plan_handover, plan_sway

LOGGER = logging.getLogger(__name__)
LOST_RAD = 0.4  # farther than this from every step nearby, the plan is made anew


class PlanFollower:
    """Finds the step of a plan (steps, dof) at which a robot is, never going back far."""

    back, lag = 3, 2  # steps: never further back; a command leads the measured arm by so many

    def __init__(self, plan: np.ndarray, robot: Robot, t_ref_ns: int) -> None:
        self.plan = plan
        self._robot = robot
        self._step = 0
        self._stamp_ns = t_ref_ns

    @property
    def step(self) -> int:
        return self._step

    def follow(self, state: np.ndarray, t_ref_ns: int) -> float:
        """
        Advance to the step for ``state`` (dof,) at ``t_ref_ns``; return the distance to it in rad.

        That is the step due by time, unless the arms are behind it: then the one they are at.
        """
        elapsed_s = max(0.0, (t_ref_ns - self._stamp_ns) * 1e-9)
        last = len(self.plan) - 1
        due = min(last, self._step + round(elapsed_s * self._robot.file.policy_rate_hz))
        first = max(0, self._step - self.back)
        away = self._distances(self.plan[first : due + 1], state)
        # While a gripper closes the arms rest: the latest of equally near steps is meant.
        nearest = first + int(np.flatnonzero(away <= away.min() + 0.01)[-1])
        self._step, self._stamp_ns = min(due, nearest + self.lag), t_ref_ns
        return float(away.min())

    def chunk(self, horizon: int) -> np.ndarray:
        """Return the next steps (horizon, dof); the last one is held."""
        rows = np.minimum(self._step + np.arange(horizon), len(self.plan) - 1)
        return self.plan[rows]

    def _distances(self, steps: np.ndarray, state: np.ndarray) -> np.ndarray:
        away = np.abs(steps - state)
        # A gripper stops at what it holds: only half a stroke says that it has not moved yet.
        grippers = np.maximum(away - 0.45, 0.0)
        return np.where(self._robot.is_gripper, grippers, away).max(axis=1)


class ExpertPolicy:
    """
    The scripted hand-over for a robot whose geometry allows it, else a gentle sway around home.

    As long as the block asked for is not seen, it holds.
    """

    def __init__(self, robot: Robot) -> None:
        self.contract: PolicyContract = scripted_contract('expert', robot)
        self._robot = robot
        self.reset()

    @classmethod
    def load(cls, robot: Robot, bundle: Path | None = None, seed: int = 0) -> 'ExpertPolicy':
        """Return the policy for a robot. It has neither weights nor chance."""
        return cls(robot)

    def reset(self) -> None:
        """Forget the plan: the next observation makes a new one."""
        self._follower: PlanFollower | None = None
        self._instruction = ''

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """
        Return the next steps of the plan from where the arms are, or the state while it holds.

        :raises ValueError: if the state is not one finite value per joint.
        """
        start = time.perf_counter()
        state = np.asarray(observation.state, dtype=float)
        if state.shape != (self._robot.dof,) or not np.isfinite(state).all():
            raise ValueError(f'state: found {state}, expected {self._robot.dof} finite values')
        if self._follower is None or observation.instruction != self._instruction:
            self._plan(observation, state)
        elif self._follower.follow(state, observation.t_ref_ns) > LOST_RAD:
            LOGGER.info('the arms are off the plan by more than %.1f rad; planning anew', LOST_RAD)
            self._plan(observation, state)
        horizon = self.contract.horizon
        if self._follower is None:
            positions = np.tile(state, (horizon, 1))
        else:
            positions = self._follower.chunk(horizon)
        return ActionChunk(
            positions=positions,
            t_ref_ns=observation.t_ref_ns,
            rate_hz=self.contract.rate_hz,
            contract_digest=self.contract.digest,
            instruction=observation.instruction,
            timing={'infer': time.perf_counter() - start},
        )

    def _plan(self, observation: Observation, state: np.ndarray) -> None:
        self._follower = None
        self._instruction = observation.instruction
        steps = self._handover(observation, state)
        if steps is not None:
            self._follower = PlanFollower(steps, self._robot, observation.t_ref_ns)

    def _handover(self, observation: Observation, state: np.ndarray) -> np.ndarray | None:
        """Return the plan, or None while the block is not seen."""
        camera = self._robot.file.geometry.cameras.get('head')
        if camera is None or camera.parent != 'base' or 'head' not in observation.images:
            LOGGER.info('%s: no head camera on the base; swaying', self._robot.name)
            return plan_sway(self._robot, state)
        colour = colour_asked_for(observation.instruction)
        block = find_block(observation.images['head'], self._robot, colour)
        if block is None:
            LOGGER.info('no %s block in the head picture; holding', colour)
            return None
        try:
            return plan_handover(self._robot, block, state)
        except OutOfReach as error:
            LOGGER.info('%s: %s; swaying instead', self._robot.name, error)
            return plan_sway(self._robot, state)
