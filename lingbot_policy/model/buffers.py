# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
Where an engine's inputs lie: fixed places on the device, filled through the host's memory.

Everything that can be wrong with an input is found here, before anything reaches the device.

Shapes: B batch, V views, T prompt tokens, A horizon, S model slots.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.guidance import Guidance
from lingbot_policy.model.preprocess import resized_view


@dataclass(frozen=True)
class Request:
    """
    One observation, and the noise its actions start from.

    ``views`` are uint8 RGB (rows, columns, 3) in the model's camera order, None where a camera is
    missing; ``tokens_T`` and ``valid_T`` may be shorter than the model's prompt length.
    """

    views: Sequence[np.ndarray | None]
    tokens_T: Tensor
    valid_T: Tensor
    state_S: np.ndarray
    noise_AS: np.ndarray
    guidance: Guidance | None = None


class Buffers:
    """
    The inputs of one batch.

    :param frame_sizes: rows and columns of each view as it will come, to be resized on the
        device; None: any size, resized here.
    """

    def __init__(
        self,
        config: ModelConfig,
        batch: int,
        device: torch.device,
        frame_sizes: Sequence[tuple[int, int]] | None = None,
    ):
        self.config, self.batch = config, batch
        self.frame_sizes = tuple(frame_sizes) if frame_sizes is not None else None
        square = (config.image_size, config.image_size)
        sizes = self.frame_sizes or config.views * (square,)
        if len(sizes) != config.views:
            raise ValueError(f'frame_sizes: found {len(sizes)}, expected {config.views} views')
        actions = (batch, config.horizon, config.max_action_dim)
        prompt = (batch, config.prompt_length)
        shapes = {
            'views_BV': ((batch, config.views), torch.bool),
            'tokens_BT': (prompt, torch.int64),
            'valid_BT': (prompt, torch.bool),
            'state_BS': ((batch, config.max_action_dim), torch.float32),
            'noise_BAS': (actions, torch.float32),
            'target_BAS': (actions, torch.float32),
            'weights_BAS': (actions, torch.float32),
            'beta_B11': ((batch, 1, 1), torch.float32),
        }
        for view, size in enumerate(sizes):
            shapes[f'frame{view}'] = ((batch, *size, 3), torch.uint8)
        pinned = device.type == 'cuda'
        self._host = {
            name: torch.zeros(shape, dtype=dtype, pin_memory=pinned)
            for name, (shape, dtype) in shapes.items()
        }
        # A batch that is not full still reads one valid token for each sample.
        self._host['valid_BT'][:, 0] = True
        self._device = {name: tensor.to(device) for name, tensor in self._host.items()}

    def __getitem__(self, name: str) -> Tensor:
        """Return an input on the device; always the same memory."""
        return self._device[name]

    @property
    def frames(self) -> list[Tensor]:
        """The views (B, rows, columns, 3) on the device."""
        return [self._device[f'frame{view}'] for view in range(self.config.views)]

    def write(self, requests: Sequence[Request]) -> None:
        """
        Check the requests and copy them to the device.

        :raises ValueError: naming what does not fit, found and expected; nothing was copied then.
        """
        if not 1 <= len(requests) <= self.batch:
            raise ValueError(f'found {len(requests)} observations, expected 1 to {self.batch}')
        frames = [self._checked(request) for request in requests]
        for index, (request, views) in enumerate(zip(requests, frames, strict=True)):
            self._write(index, request, views)
        for name, tensor in self._host.items():
            if tensor is not self._device[name]:
                self._device[name].copy_(tensor, non_blocking=True)

    def _write(self, index: int, request: Request, views: list[np.ndarray | None]) -> None:
        host = self._host
        for view, frame in enumerate(views):
            host['views_BV'][index, view] = frame is not None
            if frame is not None:
                np.copyto(host[f'frame{view}'][index].numpy(), frame)
        length = len(request.tokens_T)
        host['tokens_BT'][index].zero_()[:length] = request.tokens_T
        host['valid_BT'][index].zero_()[:length] = request.valid_T
        for name, values in (('state_BS', request.state_S), ('noise_BAS', request.noise_AS)):
            np.copyto(host[name][index].numpy(), values)
        guidance = request.guidance
        host['weights_BAS'][index] = 0.0
        if guidance is not None:
            np.copyto(host['target_BAS'][index].numpy(), guidance.target)
            np.copyto(host['weights_BAS'][index].numpy(), guidance.weights)
            host['beta_B11'][index] = guidance.beta

    def _checked(self, request: Request) -> list[np.ndarray | None]:
        """Return the views as they will be copied."""
        config = self.config
        if len(request.views) != config.views:
            raise ValueError(
                f'found {len(request.views)} views; the model takes {config.views}, None for '
                'a missing one'
            )
        count = len(request.tokens_T)
        if not 1 <= count <= config.prompt_length or len(request.valid_T) != count:
            raise ValueError(
                f'the prompt has {count} tokens and {len(request.valid_T)} masks, the model takes '
                f'1 to {config.prompt_length}; shorten the instruction'
            )
        lowest, highest = int(request.tokens_T.min()), int(request.tokens_T.max())
        if lowest < 0 or highest >= config.vocabulary:
            raise ValueError(
                f'tokens from {lowest} to {highest}; expected 0 to {config.vocabulary - 1}: is '
                'this the tokenizer of these weights?'
            )
        actions = (config.horizon, config.max_action_dim)
        _check_numbers('state', request.state_S, (config.max_action_dim,))
        _check_numbers('noise', request.noise_AS, actions)
        if request.guidance is not None:
            _check_numbers('guidance target', request.guidance.target, actions)
            _check_numbers('guidance weights', request.guidance.weights, actions)
            _check_numbers('guidance beta', request.guidance.beta, ())
        return [
            None if view is None else self._checked_view(index, view)
            for index, view in enumerate(request.views)
        ]

    def _checked_view(self, index: int, view: np.ndarray) -> np.ndarray:
        if self.frame_sizes is None:
            return resized_view(view, index, self.config.image_size)
        expected = (*self.frame_sizes[index], 3)
        if view.dtype != np.uint8 or view.shape != expected:
            raise ValueError(
                f'view {index} is {view.dtype} {view.shape}; expected uint8 {expected}'
            )
        return view


def _check_numbers(name: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    values = np.asarray(values)
    if values.shape != shape:
        raise ValueError(f'{name} of shape {values.shape}, expected {shape}')
    if not np.isfinite(values).all():
        bad = tuple(int(axis) for axis in np.argwhere(~np.isfinite(values))[0])
        raise ValueError(f'{name} at {bad} is {values[bad]}, expected a finite number')
