# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""
The model as fast as the hardware allows: uint8 frames in, a chunk of actions out.

An engine owns fixed memory for one batch size and runs two stages over it, without a word from
the host between upload and download:

    observation: frames -> patches -> vision -> prefix           once
    step:        x, row of the time tables -> velocity -> x      once for each denoising step

The layers are the model's own; what does not depend on the observation is folded
(``folding``). A step counter on the device picks the row, so that neither the instruction, nor a
missing camera, nor another number of steps compiles or captures anything again.

Shapes: B batch, V views, N = B * V, A horizon, S model slots.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from lingbot_policy.model.buffers import Buffers, Request
from lingbot_policy.model.config import ModelConfig
from lingbot_policy.model.experts import call_module
from lingbot_policy.model.flow_matching import euler_grid
from lingbot_policy.model.folding import (
    ActionEmbedding,
    align_vision_mlp,
    EXACT,
    PatchEmbedding,
    TimeTables,
)
from lingbot_policy.model.graphs import capture
from lingbot_policy.model.guidance import GUIDED, guided, known_steps, TRAINED, VARIANTS
from lingbot_policy.model.kv_cache import KVBuffer
from lingbot_policy.model.lingbot_vla import LingBotVLA, Prefix
from lingbot_policy.model.resize import DeviceResize
from lingbot_policy.model.weights import load_model

PATHS = ('eager', 'compiled', 'graph', 'compiled_graph')
PRECISIONS = {'reference': torch.float32, 'bf16': torch.bfloat16}
MAX_STEPS = 50

# 50 steps of a grid which drifts in bfloat16 are 51, 49 are 51 too.
MAX_EVALUATIONS = 51

# Keys are padded to runs of this many, which every fused attention takes.
KEY_ALIGNMENT = 16


class Engine:
    """
    A model for one batch size. It takes the model over: weights are folded and frozen.

    :param path: ``eager``; ``compiled``: its layers by torch.compile; ``graph`` and
        ``compiled_graph``: captured on CUDA; None: the fastest proven one of the device.
    :param frame_sizes: see ``Buffers``.
    :param integrated_S: slots that are denoised; the others follow t * noise, as in training.
        None: all, as the released deployment does.
    :param guidance: one of ``guidance.VARIANTS``, for requests which carry a ``Guidance``.
    :raises ValueError: for an unknown path or variant, or a graph without CUDA.
    """

    def __init__(
        self,
        model: LingBotVLA,
        *,
        batch: int = 1,
        path: str | None = None,
        frame_sizes: Sequence[tuple[int, int]] | None = None,
        integrated_S: np.ndarray | None = None,
        guidance: str | None = None,
    ):
        self.model = model.requires_grad_(False).eval()
        self.config: ModelConfig = model.config
        self.device = model.embed_tokens.weight.device
        self.dtype = model.embed_tokens.weight.dtype
        self.path = path or ('compiled_graph' if self.device.type == 'cuda' else 'eager')
        self.guidance = guidance
        self._check_choices()
        self._fold()
        self.buffers = Buffers(self.config, batch, self.device, frame_sizes)
        self._resize = [
            DeviceResize(*size, self.config.image_size, self.device)
            for size in self.buffers.frame_sizes or ()
        ]
        self._kv, self._padding = self._key_value_buffer(batch)
        self._prefix: Prefix | None = None
        self._x_BAS = torch.zeros_like(self.buffers['noise_BAS'])
        self._step = torch.zeros(1, dtype=torch.int64, device=self.device)
        self._integrated_S = None
        if integrated_S is not None and not np.all(integrated_S):
            self._integrated_S = torch.from_numpy(np.asarray(integrated_S)).to(self.device)
        self._grid: tuple[int, str] | None = None
        self._requests = 0
        self._is_guided = False
        self._build()

    @classmethod
    def load(
        cls,
        folder: Path,
        config: ModelConfig,
        precision: str = 'bf16',
        device: torch.device | str = 'cpu',
        **options,
    ) -> 'Engine':
        """
        Return the engine of the weights in ``folder``.

        :param precision: ``reference`` float32; ``bf16``: float32 where the maths needs it (norms,
            rotations, sums of products, time, state and actions).
        :param options: of the constructor.
        """
        if precision not in PRECISIONS:
            raise ValueError(f'no precision {precision!r}; known: {", ".join(PRECISIONS)}')
        return cls(load_model(folder, config, PRECISIONS[precision], device, EXACT), **options)

    def chunk(
        self, requests: Sequence[Request], steps: int = 10, time_grid: str = 'accumulated_fp32'
    ) -> np.ndarray:
        """
        Return the actions (requests, A, S), normalised as in training, fp32.

        :raises ValueError: naming what is wrong with a request, ``steps`` or ``time_grid``.
        """
        self.write(requests)
        return self.run(steps, time_grid)

    def write(self, requests: Sequence[Request]) -> None:
        """
        Check the requests and bring them to the device.

        :raises ValueError: naming what does not fit.
        """
        is_guided = any(request.guidance is not None for request in requests)
        if is_guided and self.guidance is None:
            raise ValueError(
                'a request has guidance, but this engine was made without; expected '
                f'guidance={" or ".join(VARIANTS)} when it is made'
            )
        self._requests = 0  # until all of them are found good
        self.buffers.write(requests)
        self._requests, self._is_guided = len(requests), is_guided

    def run(self, steps: int = 10, time_grid: str = 'accumulated_fp32') -> np.ndarray:
        """Return the actions for what was written last, see ``chunk``."""
        assert self._requests, 'write comes first'
        evaluations = self.set_grid(steps, time_grid)
        self.observe()
        self.begin()
        for _ in range(evaluations):
            self.denoise()
        return self.download()

    def set_grid(self, steps: int, time_grid: str) -> int:
        """
        Fill the time tables; return how often the velocity is evaluated.

        :raises ValueError: if ``steps`` is not 1 to 50 or ``time_grid`` is unknown.
        """
        if not 1 <= steps <= MAX_STEPS:
            raise ValueError(f'denoising steps: found {steps}, expected 1 to {MAX_STEPS}')
        grid = euler_grid(steps, time_grid)
        if self._grid != (steps, time_grid):
            self._tables.fill(grid)
            self._grid = (steps, time_grid)
        return len(grid.times)

    def observe(self) -> None:
        """Run the observation's stage."""
        self._observe()

    def begin(self) -> None:
        """Put noise, and what is known, into x and the step counter to 0."""
        self._x_BAS.copy_(self.buffers['noise_BAS'])
        if self._is_guided and self.guidance == TRAINED:
            known_BA1 = known_steps(self.buffers['weights_BAS'])
            self._x_BAS.copy_(torch.where(known_BA1, self.buffers['target_BAS'], self._x_BAS))
        self._step.zero_()

    def denoise(self) -> None:
        """Take one denoising step."""
        (self._guided_step if self._is_guided else self._plain_step)()

    def download(self) -> np.ndarray:
        """Return x of the requests written last; waits for the device."""
        return self._x_BAS[: self._requests].cpu().numpy().copy()

    def embed_views(self) -> Tensor:
        """Return the tokens of all views (N, tokens, D)."""
        frames = self.buffers.frames
        if self._resize:
            frames = [resize(frame) for resize, frame in zip(self._resize, frames, strict=True)]
        patches_NPD = self._embed_patches(torch.stack(frames, dim=1).flatten(0, 1))
        return self.model.vision.encode(patches_NPD, self._vision_rope, self._vision_block)

    def encode_prefix(self, images_NUD: Tensor) -> Prefix:
        """Return what the denoising steps see of views, prompt and state."""
        model, inputs = self.model, self.buffers
        embeds_BLD, valid_BL = model.join_prefix(
            images_NUD, inputs['views_BV'], inputs['tokens_BT'], inputs['valid_BT']
        )
        model.run_vlm(embeds_BLD, valid_BL, self._kv, call=self._vlm_layer)
        padded_BL = pad(valid_BL, (0, self._padding), value=False)
        return model.prefix_from(self._kv, padded_BL, inputs['state_BS'])

    @torch.no_grad()
    def _encode(self) -> None:
        self._prefix = self.encode_prefix(self.embed_views())

    @torch.no_grad()
    def _take_step(self, is_guided: bool) -> None:
        """Replace x by the next one, and count."""
        x_BAS, inputs = self._x_BAS, self.buffers
        time, dt = (t.index_select(0, self._step) for t in (self._tables.time, self._tables.dt))
        known_BA1 = None
        if is_guided and self.guidance in GUIDED:
            known = (inputs[name] for name in ('target_BAS', 'weights_BAS', 'beta_B11'))
            velocity_BAS = guided(self._velocity, x_BAS, time, *known, self.guidance)
        else:
            known_BA1 = known_steps(inputs['weights_BAS']) if is_guided else None
            velocity_BAS = self._velocity(x_BAS, known_BA1)
        next_BAS = x_BAS + dt * velocity_BAS
        if self._integrated_S is not None:
            next_time = self._tables.time.index_select(0, self._step + 1)
            next_BAS = torch.where(self._integrated_S, next_BAS, next_time * inputs['noise_BAS'])
        if known_BA1 is not None:
            next_BAS = torch.where(known_BA1, x_BAS, next_BAS)
        self._x_BAS.copy_(next_BAS)
        self._step.add_(1)

    def _velocity(self, x_BAS: Tensor, known_BA1: Tensor | None = None) -> Tensor:
        """Return the velocity at x and the step's time; known actions see time 0."""
        tables = self._tables
        of_time = tables.of_time.index_select(0, self._step)
        modulations = tables.modulations.index_select(0, self._step)[0]
        if known_BA1 is not None:
            of_time = torch.where(known_BA1, tables.of_time[-1], of_time)
            known_BX1 = pad(known_BA1, (0, 0, 1, 0), value=False)
            modulations = torch.where(known_BX1, tables.modulations[-1], modulations)
        hidden_BAD = self._embed_actions(x_BAS, of_time)
        return self.model.decode(
            self._prefix, hidden_BAD, modulations, call=self._expert_layer
        ).float()

    def _fold(self) -> None:
        """Prepare all that does not depend on the observation."""
        model = self.model
        self._embed_patches = PatchEmbedding(model, self.dtype)
        model.vision.patch_embed.to(self.dtype)
        self._embed_actions = ActionEmbedding(model)
        self._tables = TimeTables(model, self._embed_actions, MAX_EVALUATIONS)
        self._vision_rope = model.vision.rope()
        if self.device.type == 'cuda':
            align_vision_mlp(model)

    def _build(self) -> None:
        """Compile and capture, so that no later call does."""
        is_compiled = 'compiled' in self.path
        run = _compiled if is_compiled else (lambda name: call_module)
        self._vision_block, self._vlm_layer, self._expert_layer = map(
            run, ('vision_block', 'vlm_layer', 'expert_layer')
        )
        self._observe = self._encode
        self._plain_step = lambda: self._take_step(False)
        self._guided_step = lambda: self._take_step(True)
        self.set_grid(1, 'accumulated_fp32')
        steps = [self._plain_step, *([self._guided_step] if self.guidance else [])]
        if 'graph' in self.path:
            self._observe, replays = capture(self._observe, steps)
            self._plain_step, self._guided_step = replays[0], replays[-1]
        elif is_compiled:
            for function in (self._observe, *steps):
                function()

    def _key_value_buffer(self, batch: int) -> tuple[KVBuffer, int]:
        """Return the prefix's keys and values, and by how much they are padded."""
        config = self.config
        per_view = config.tokens_per_view + (config.depth.query_tokens if config.depth else 0)
        length = config.views * per_view + config.prompt_length
        padding = -(length + 1 + config.horizon) % KEY_ALIGNMENT
        like = self.model.embed_tokens.weight
        return KVBuffer(config.vlm, batch, length + padding, like), padding

    def _check_choices(self) -> None:
        if self.path not in PATHS:
            raise ValueError(f'no path {self.path!r}; known: {", ".join(PATHS)}')
        if 'graph' in self.path and self.device.type != 'cuda':
            raise ValueError(
                f'path {self.path!r} captures CUDA graphs, but the model is on {self.device}; '
                'use eager or compiled'
            )
        if self.guidance not in (None, *VARIANTS):
            raise ValueError(f'no guidance {self.guidance!r}; known: {", ".join(VARIANTS)}')


def best_precision(device: torch.device | str) -> str:
    """Return ``bf16`` where a device multiplies it natively, else ``reference``."""
    native = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return 'bf16' if torch.device(device).type != 'cpu' or native else 'reference'


def _compiled(name: str) -> Callable:
    """
    Return ``call_module`` compiled, once for each kind of layer and each engine.

    torch.compile keeps what it compiled with a function's code, and gives up after some variants:
    engines of several sizes in one process must not share one.
    """
    code = call_module.__code__.replace(co_name=name)
    return torch.compile(FunctionType(code, call_module.__globals__, name), dynamic=False)
