# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
LingBot-VLA in process: an Observation in, a chunk of absolute targets in robot units out.

    state -> normalise -> slots, views -> square, instruction -> tokens        (preprocess)
    noise -> engine -> slots                                                   (infer)
    slots -> robot entries -> un-normalise -> add the state to relative arms   (postprocess)
"""

from pathlib import Path
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lingbot_policy.action_space import action_space, ActionSpace
from lingbot_policy.backends.committed import committed_steps
from lingbot_policy.bundle import Bundle, load_bundle
from lingbot_policy.chunk import ActionChunk
from lingbot_policy.contract import PolicyContract, shipped_bundle
from lingbot_policy.model.buffers import Request
from lingbot_policy.model.engine import best_precision, Engine
from lingbot_policy.model.guidance import Guidance, step_weights, TRAINED
from lingbot_policy.model.preprocess import load_tokenizer, tokens_from_instruction
from lingbot_policy.normalization import Normalizer
from lingbot_policy.observation import HEAD, Observation
from lingbot_policy.policy import Prefix
from lingbot_policy.robot import CAMERAS, Robot


class LingBotPolicy:
    """
    A bundle's model for one robot. Chunk n of a policy starts from the noise of (seed, n).

    n is the chunk's ``sequence``, from 1; it goes on over ``reset``, so that no two trials share
    noise.
    """

    def __init__(
        self, robot: Robot, bundle: Bundle, engine: Engine, tokenizer: Any, seed: int
    ) -> None:
        contract = bundle.contract
        self.contract: PolicyContract = contract
        self.path = engine.path
        self._engine = engine
        self._model = engine.model
        self._tokenizer = tokenizer
        self._seed = seed
        self._sequence = 0
        self._prompt: tuple[str, Tensor, Tensor] | None = None
        self._space: ActionSpace = action_space(
            robot, contract.layout, bundle.config.max_action_dim
        )
        stats = bundle.norm_stats
        formulas = contract.normalization
        self._state: Normalizer = stats.robot_normalizer('state', robot.is_gripper, formulas)
        self._action: Normalizer = stats.robot_normalizer('action', robot.is_gripper, formulas)

    @classmethod
    def load(
        cls,
        robot: Robot,
        bundle: Path | None = None,
        seed: int = 0,
        device: str | None = None,
        precision: str | None = None,
        path: str | None = None,
        guidance: str | None = None,
        threads: int | None = None,
    ) -> 'LingBotPolicy':
        """
        Return the policy of a bundle, verified against the robot.

        :param bundle: folder; None: the small bundle that comes with the package.
        :param device: default: CUDA where there is one.
        :param precision: of ``engine.PRECISIONS``; default: ``bf16`` where the hardware has it.
        :param path: of ``engine.PATHS``; default: the engine's choice for the device.
        :param guidance: of ``guidance.VARIANTS``: how a chunk follows the committed plan; None:
            not at all. ``trained`` is for weights which have learned it.
        :param threads: of torch on a CPU; default: leave them as they are.
        :raises ValueError: naming everything in the bundle that is missing or does not fit.
        """
        found = load_bundle(bundle or default_bundle(robot), robot)
        if guidance == TRAINED:
            found.contract.require_rtc_trained()
        if threads is not None:
            torch.set_num_threads(threads)
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        tokenizer = load_tokenizer(found.model_folder)
        integrated_S = None
        if found.contract.pad_dims == 'noise_schedule':
            space = action_space(robot, found.contract.layout, found.config.max_action_dim)
            integrated_S = _used_slots(space)
        engine = Engine.load(
            found.model_folder,
            found.config,
            precision or best_precision(device),
            device,
            path=path,
            guidance=guidance,
            integrated_S=integrated_S,
        )
        return cls(robot, found, engine, tokenizer, seed)

    def infer(self, observation: Observation, prefix: Prefix | None = None) -> ActionChunk:
        """
        Return the chunk for an observation.

        ``prefix``, where there is one, steers it if this policy was loaded with ``guidance``.

        :raises ValueError: the observation is no finite state with RGB views and an instruction,
            or the model's numbers are not finite.
        """
        clock = _Stopwatch()
        state = self._checked_state(observation.state)
        views = self._checked_views(observation)
        clock.lap('observe')
        guidance = None
        if prefix is not None and self._engine.guidance is not None:
            guidance = self._guidance(prefix, observation.t_ref_ns, state)
        tokens_T, valid_T = self._tokens(observation.instruction)
        noise_AS = self._noise(self._sequence + 1)
        slots_S = self._state_slots(state)
        self._engine.write([Request(views, tokens_T, valid_T, slots_S, noise_AS, guidance)])
        clock.lap('preprocess')
        slots = self._engine.run(self.contract.steps, self.contract.time_grid)[0]
        clock.lap('infer')
        positions = self._positions(slots, state)
        clock.lap('postprocess')
        self._sequence += 1
        return ActionChunk(
            positions=positions,
            t_ref_ns=observation.t_ref_ns,
            rate_hz=self.contract.rate_hz,
            first_step_offset=self.contract.first_step_offset,
            sequence=self._sequence,
            contract_digest=self.contract.digest,
            instruction=observation.instruction,
            timing=clock.laps,
            seed=self._seed,
        )

    def reset(self) -> None:
        """Forget the instruction of the episode so far."""
        self._prompt = None

    def _state_slots(self, state: np.ndarray) -> np.ndarray:
        """Return the state as the model reads it; the slots of no joint are zero to it."""
        return self._space.to_slots(self._state.normalize(state)).astype(np.float32)

    def _guidance(self, prefix: Prefix, t_ref_ns: int, state: np.ndarray) -> Guidance | None:
        """Return the committed plan as this chunk's model actions; None if it is not continued."""
        contract = self.contract
        is_trained = self._engine.guidance == TRAINED
        committed = committed_steps(prefix, contract, t_ref_ns, is_trained)
        if not committed.is_continued:
            return None
        positions = committed.positions
        if contract.relative_arms:  # to the new state, with the statistics of the new steps
            positions = self._space.to_relative(positions, state)
        target_AS = self._space.to_slots(self._action.normalize(positions))
        end = int(np.flatnonzero(committed.known)[-1]) + 1
        frozen = min(committed.frozen, end)
        known_A = committed.known
        if is_trained:  # it learned to be given the first steps without a gap, and no more
            end, known_A = frozen, np.ones_like(known_A)
        weights_A = step_weights(contract.horizon, frozen, end) * known_A
        weights_AS = weights_A[:, None] * _used_slots(self._space)
        return Guidance(target_AS.astype(np.float32), weights_AS.astype(np.float32))

    def _positions(self, slots: np.ndarray, state: np.ndarray) -> np.ndarray:
        """Return absolute targets (horizon, dof) in robot units."""
        if not np.isfinite(slots).all():
            step, slot = np.argwhere(~np.isfinite(slots))[0]
            raise ValueError(
                f'the model gave {slots[step, slot]} at step {step}, slot {slot}; '
                'check the weights and their dtype'
            )
        targets = self._action.denormalize(self._space.from_slots(slots))
        return self._space.to_absolute(targets, state) if self.contract.relative_arms else targets

    def _noise(self, sequence: int) -> np.ndarray:
        """Return the standard normal noise (A, S) of one chunk, the same on every device."""
        config = self._engine.config
        generator = np.random.Generator(np.random.Philox(key=[self._seed, sequence]))
        shape = (config.horizon, config.max_action_dim)
        return generator.standard_normal(shape, dtype=np.float32)

    def _tokens(self, instruction: str) -> tuple[Tensor, Tensor]:
        if self._prompt is None or self._prompt[0] != instruction:
            tokens = tokens_from_instruction(
                instruction,
                self._tokenizer,
                self._engine.config.prompt_length,
                self.contract.truncate_prompt,
            )
            self._prompt = (instruction, *tokens)
        return self._prompt[1:]

    def _checked_state(self, state: np.ndarray) -> np.ndarray:
        state = np.asarray(state, dtype=np.float64)
        joints = self.contract.joints
        if state.shape != (len(joints),):
            raise ValueError(f'state of shape {state.shape}, expected ({len(joints)},)')
        bad = [f'{joints[i]} = {state[i]}' for i in np.flatnonzero(~np.isfinite(state))]
        if bad:
            raise ValueError(f'state: {", ".join(bad)}; expected finite values')
        return state

    def _checked_views(self, observation: Observation) -> list[np.ndarray | None]:
        """Return the views in the model's order; None where there is no such camera."""
        images = {
            n: observation.images[n] for n in self.contract.cameras if n in observation.images
        }
        if HEAD not in images:
            raise ValueError('images: the head camera is missing; only wrist cameras are optional')
        for name, image in images.items():
            if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
                raise ValueError(
                    f'camera {name}: found {image.dtype} {image.shape}, '
                    'expected uint8 (height, width, 3) RGB'
                )
        return [images.get(name) for name in CAMERAS]


class _Stopwatch:
    """Seconds between calls of ``lap``, by name."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = now - self._last
        self._last = now


def _used_slots(space: ActionSpace) -> np.ndarray:
    """Return which slots of the model belong to a joint, (S,)."""
    return space.to_slots(np.ones(space.dof)) > 0


def default_bundle(robot: Robot) -> Path:
    """
    Return the folder of the small bundle which comes with the package for a robot.

    :raises ValueError: if there is none.
    """
    folder = shipped_bundle(robot.name)
    if not folder.is_dir():
        raise ValueError(
            f'no bundle given, and none comes with the package for robot {robot.name!r}. Make '
            'one with `lingbot import-weights SOURCE DIR --robot ...` and give its folder'
        )
    return folder
