# Copyright 2026 The LingBot deployment authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of the model: everything that decides a tensor's shape, and nothing else."""

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class VisionConfig:
    """The Qwen2.5-VL vision tower; widths in values, patches and windows in pixels."""

    width: int = 1280
    layers: int = 32
    heads: int = 16
    mlp: int = 3420
    full_attention_layers: tuple[int, ...] = (7, 15, 23, 31)
    patch_size: int = 14
    temporal_patch_size: int = 2
    merge_size: int = 2
    window_size: int = 112

    def __post_init__(self):
        if self.width % self.heads or (self.width // self.heads) % 4:
            raise ValueError(
                f'vision width {self.width} / heads {self.heads} must be a multiple of 4 '
                '(rows and columns share the rotary frequencies)'
            )
        if self.window_size % self.merged_patch_size:
            raise ValueError(
                f'vision window_size {self.window_size} px must be a multiple of '
                f'patch_size x merge_size = {self.merged_patch_size} px'
            )

    @property
    def head_dim(self) -> int:
        return self.width // self.heads

    @property
    def merged_patch_size(self) -> int:
        """Side of the square that becomes one image token, in pixels."""
        return self.patch_size * self.merge_size

    @property
    def patch_values(self) -> int:
        """Values of one patch: 3 channels x frames x rows x columns."""
        return 3 * self.temporal_patch_size * self.patch_size**2


@dataclass(frozen=True)
class ExpertConfig:
    """One of the two transformers that share their attention."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int

    def __post_init__(self):
        if self.heads % self.kv_heads:
            raise ValueError(f'heads {self.heads} must be a multiple of kv_heads {self.kv_heads}')

    @property
    def group(self) -> int:
        """Query heads which share one key and value head."""
        return self.heads // self.kv_heads


@dataclass(frozen=True)
class DepthConfig:
    """The depth queries in the prefix, and the head that turns them into depth features."""

    query_tokens: int = 8
    bank_tokens: int = 256
    head_layers: int = 1
    head_heads: int = 4
    head_dim: int = 32
    head_mlp_ratio: int = 1
    target_width: int = 1024
    loss_weight: float = 0.004

    def __post_init__(self):
        if self.bank_tokens % self.query_tokens:
            raise ValueError(
                f'depth bank_tokens {self.bank_tokens} must be a multiple of '
                f'query_tokens {self.query_tokens}'
            )


@dataclass(frozen=True)
class ModelConfig:
    """
    Sizes of a LingBot-VLA model.

    ``view_patch_positions`` adds a learned table to the image tokens; the released weights
    have none.
    """

    vision: VisionConfig
    vlm: ExpertConfig
    expert: ExpertConfig
    depth: DepthConfig | None = None
    vocabulary: int = 151936
    views: int = 3
    image_size: int = 224
    prompt_length: int = 72
    horizon: int = 50
    max_action_dim: int = 75
    num_steps: int = 10
    view_patch_positions: bool = False

    def __post_init__(self):
        for field in ('layers', 'heads', 'kv_heads', 'head_dim'):
            vlm, expert = getattr(self.vlm, field), getattr(self.expert, field)
            if vlm != expert:
                raise ValueError(
                    f'vlm.{field} = {vlm} and expert.{field} = {expert} must be equal: '
                    'the experts attend to each other layer by layer'
                )
        if self.image_size % self.vision.merged_patch_size:
            raise ValueError(
                f'image_size {self.image_size} must be a multiple of '
                f'{self.vision.merged_patch_size} px'
            )
        if self.merged_grid > self.window_grid and self.merged_grid % self.window_grid:
            raise ValueError(
                f'image_size {self.image_size} px must fit in one window of '
                f'{self.vision.window_size} px or be a multiple of it'
            )

    @property
    def merged_grid(self) -> int:
        """Image tokens along one side of a view."""
        return self.image_size // self.vision.merged_patch_size

    @property
    def window_grid(self) -> int:
        """Image tokens along one side of an attention window."""
        return self.vision.window_size // self.vision.merged_patch_size

    @property
    def tokens_per_view(self) -> int:
        return self.merged_grid**2

    @property
    def patches_per_view(self) -> int:
        return self.tokens_per_view * self.vision.merge_size**2

    @classmethod
    def released_4b(cls, prompt_length: int = 72, depth: bool = False) -> 'ModelConfig':
        """
        Return the sizes of ``lingbot-vla-4b`` (``depth=True``: ``lingbot-vla-4b-depth``).

        Source: Robbyant/lingbot-vla @ 61ef6b1; 4,197,425,739 parameters without depth.
        """
        attention = {'layers': 36, 'heads': 16, 'kv_heads': 2, 'head_dim': 128}
        return cls(
            vision=VisionConfig(),
            vlm=ExpertConfig(width=2048, mlp=11008, **attention),
            expert=ExpertConfig(width=768, mlp=2752, **attention),
            depth=DepthConfig() if depth else None,
            prompt_length=prompt_length,
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> 'ModelConfig':
        """
        Return the config that ``to_dict`` described.

        :raises ValueError: naming a field that is missing or unknown.
        """
        values = dict(values)
        try:
            vision = dict(values['vision'])
            vision['full_attention_layers'] = tuple(vision['full_attention_layers'])
            values['vision'] = VisionConfig(**vision)
            values['vlm'] = ExpertConfig(**values['vlm'])
            values['expert'] = ExpertConfig(**values['expert'])
            values['depth'] = DepthConfig(**values['depth']) if values.get('depth') else None
            return cls(**values)
        except KeyError as error:
            raise ValueError(f'model config lacks the field {error}') from error
        except TypeError as error:
            raise ValueError(f'model config does not fit: {error}') from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        values = asdict(self)
        values['vision']['full_attention_layers'] = list(self.vision.full_attention_layers)
        return values

    def with_prompt_length(self, prompt_length: int) -> 'ModelConfig':
        """Return the same model for prompts of ``prompt_length`` tokens."""
        return replace(self, prompt_length=prompt_length)
