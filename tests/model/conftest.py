# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""The parity data of tests/data/oracle, and tiny models of random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lingbot_policy.model.buffers import Request
from lingbot_policy.model.config import DepthConfig, ExpertConfig, ModelConfig, VisionConfig
from lingbot_policy.model.lingbot_vla import LingBotVLA
from lingbot_policy.model.preprocess import patches_from_views
from lingbot_policy.model.released import read_released_config
from lingbot_policy.model.weights import load_model

ORACLE = Path(__file__).parents[1] / 'data' / 'oracle'


class Oracle:
    """One folder of parity data: upstream's inputs and outputs, and our model of its weights."""

    def __init__(self, folder: str):
        self.folder = ORACLE / folder
        self.config = read_released_config(self.folder)
        self.inputs = np.load(ORACLE / 'inputs.npz')
        self.outputs = np.load(self.folder / 'outputs.npz')
        self.model = load_model(self.folder, self.config)
        if self.config.depth:
            bank = torch.from_numpy(self.outputs['depth_align_embs'])
            self.model.depth.query_bank.data.copy_(bank)

    def given(self, case: str, name: str) -> torch.Tensor:
        return torch.from_numpy(self.inputs[f'{case}.{name}'])

    def found(self, case: str, name: str) -> torch.Tensor:
        """Return upstream's output."""
        return torch.from_numpy(self.outputs[f'{case}.{name}'])

    def requests(self, case: str) -> list[Request]:
        """Return a case as an engine takes it, one request for each sample."""
        images = self.inputs[f'{case}.raw_images'].transpose(0, 1, 3, 4, 2)
        names = ('img_masks', 'lang_tokens', 'lang_masks', 'state', 'sample_noise')
        parts = zip(images, *(self.given(case, name) for name in names), strict=True)
        return [
            Request(
                [view if there else None for view, there in zip(views, masks, strict=True)],
                tokens,
                valid,
                state.numpy(),
                noise.numpy(),
            )
            for views, masks, tokens, valid, state, noise in parts
        ]

    def observation(self, case: str) -> tuple[torch.Tensor, ...]:
        """Return patches, view masks, tokens, token masks and state."""
        masks = self.given(case, 'img_masks')
        images = self.inputs[f'{case}.raw_images'].transpose(0, 1, 3, 4, 2)
        samples = [
            [view if present else None for view, present in zip(*sample, strict=True)]
            for sample in zip(images, masks, strict=True)
        ]
        patches = torch.stack([patches_from_views(views, self.config)[0] for views in samples])
        names = ('img_masks', 'lang_tokens', 'lang_masks', 'state')
        return patches, *(self.given(case, name) for name in names)


@pytest.fixture(scope='session')
def released() -> Oracle:
    return Oracle('released')


@pytest.fixture(scope='session')
def depth_query() -> Oracle:
    return Oracle('depth_query')


@pytest.fixture(params=['released', 'depth_query'])
def oracle(request) -> Oracle:
    return request.getfixturevalue(request.param)


TINY = ModelConfig(
    vision=VisionConfig(width=32, layers=2, heads=2, mlp=48, full_attention_layers=(1,)),
    vlm=ExpertConfig(width=32, layers=3, heads=4, kv_heads=2, head_dim=8, mlp=48),
    expert=ExpertConfig(width=24, layers=3, heads=4, kv_heads=2, head_dim=8, mlp=40),
    vocabulary=64,
    image_size=112,
    prompt_length=6,
    horizon=5,
    max_action_dim=7,
)
TINY_DEPTH = replace(
    TINY,
    depth=DepthConfig(
        query_tokens=2, bank_tokens=8, head_heads=2, head_dim=4, target_width=12, loss_weight=0.5
    ),
)
TINY_POSITIONS = replace(TINY, views=2, view_patch_positions=True)


def random_model(config: ModelConfig) -> LingBotVLA:
    """Return a model in which every parameter is random, so that none is idle."""
    torch.manual_seed(0)
    model = LingBotVLA(config).eval()
    for parameter in model.parameters():
        noise = torch.randn_like(parameter) / parameter.shape[-1] ** 0.5
        parameter.data.mul_(0.5).add_(noise)
    return model


def random_observation(config: ModelConfig, batch: int) -> tuple[torch.Tensor, ...]:
    """Return an observation with a missing view and prompts of 1 and of full length."""
    patches = torch.randn(batch, config.views, config.patches_per_view, config.vision.patch_values)
    view_masks = torch.ones(batch, config.views, dtype=torch.bool)
    view_masks[0, -1] = False
    tokens = torch.randint(config.vocabulary, (batch, config.prompt_length))
    lengths = torch.tensor([1, config.prompt_length, 3])[:batch, None]
    token_masks = torch.arange(config.prompt_length) < lengths
    return patches, view_masks, tokens, token_masks, torch.randn(batch, config.max_action_dim)


@pytest.fixture(
    params=[TINY, TINY_DEPTH, TINY_POSITIONS], ids=['released', 'depth', 'view_positions']
)
def tiny_model(request) -> LingBotVLA:
    return random_model(request.param)


@pytest.fixture
def tiny_config() -> ModelConfig:
    return TINY


@pytest.fixture
def observe():
    """Return the function which draws an observation for a config and batch size."""
    return random_observation


def random_request(config: ModelConfig, seed: int, missing=(), length=None, guidance=None):
    """Return a request of camera frames of odd sizes, for an engine."""
    random = np.random.default_rng(seed)
    length = length or config.prompt_length
    shape = (config.horizon, config.max_action_dim)
    return Request(
        views=[
            None if view in missing else random.integers(0, 256, (90, 120, 3), dtype=np.uint8)
            for view in range(config.views)
        ],
        tokens_T=torch.from_numpy(random.integers(0, config.vocabulary, length)),
        valid_T=torch.ones(length, dtype=torch.bool),
        state_S=random.standard_normal(shape[1]).astype(np.float32),
        noise_AS=random.standard_normal(shape).astype(np.float32),
        guidance=guidance,
    )


def model_inputs(config: ModelConfig, request: Request) -> tuple[torch.Tensor, ...]:
    """Return the arguments of ``sample_actions`` which mean the same as a request."""
    patches, present = patches_from_views(request.views, config)
    parts = (
        patches,
        present,
        request.tokens_T,
        request.valid_T,
        torch.from_numpy(request.state_S),
        torch.from_numpy(request.noise_AS),
    )
    return tuple(part[None] for part in parts)


@pytest.fixture
def request_for():
    """Return the function which draws a request for a config and a seed."""
    return random_request


@pytest.fixture
def sample():
    """Return the function which asks the model itself for a request's actions."""

    def sample_actions(model, request, steps=10, time_grid='accumulated_fp32') -> np.ndarray:
        inputs = model_inputs(model.config, request)
        return model.sample_actions(*inputs, steps, time_grid)[0].float().numpy()

    return sample_actions
