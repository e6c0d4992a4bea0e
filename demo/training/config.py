"""The two sizes of the demo model. Everything that decides a tensor's shape is here."""

from __future__ import annotations

from dataclasses import dataclass, replace

DOWNSCALE = 32
CODEC_CHANNELS = 24
"""Components that are kept; a model uses the first of them."""
TOKEN_WINDOW = 77
VOCABULARY = 2048
TIME_EMBEDDING = 32
SHIFT = 3.0
"""Of the flow schedule, in training and sampling: low-resolution latents need their steps at high noise."""
GUIDANCE = 2.0
"""Of the demo catalogue (catalogue/models/eros.yaml)."""

FULL_SIZES = ((1344, 768), (768, 1344), (1024, 1024), (1216, 832), (832, 1216), (1152, 896), (896, 1152))
"""(width, height) in pixels, as the server offers them."""
HALF_SIZES = ((640, 384), (384, 640), (512, 512), (576, 448), (448, 576))
"""Small pictures for most of the training: a quarter of the tokens, the same scenes."""


@dataclass(frozen=True)
class Config:
    name: str
    latent_channels: int
    unet_channels: tuple[int, int, int]
    unet_heads: tuple[int, int, int]
    unet_attention: tuple[bool, bool, bool]
    """Which levels attend, to themselves and to the text."""
    unet_layers: int
    time_scale_shift: str
    """How the noise level reaches the residual blocks: "default" adds, "scale_shift" multiplies too."""
    text_hidden: tuple[int, int]
    text_layers: int
    decoder_channels: tuple[int, int, int, int, int, int]
    half_pictures: int
    full_pictures: int
    half_batch: int
    full_batch: int
    freshness: float
    """New pictures drawn per optimiser step, until there are as many as the counts above."""
    full_share: tuple[float, float]
    """Share of optimiser steps that see full-size pictures: at the start and, growing evenly, at the end."""
    learning_rate: float
    cool_down: float
    """Share of all steps, at the end, over which the learning rate falls to zero."""
    steps: int
    decoder_steps: int
    decoder_rate: float
    negative_every: int
    """One optimiser step of so many is about negative prompts (negation.py)."""
    twins: int
    """Pairs of pictures behind those, of each of two sizes."""
    lora_steps: int

    @property
    def cross_attention(self) -> int:
        return sum(self.text_hidden)


CPU = Config(
    name="cpu",
    latent_channels=24,
    unet_channels=(96, 128, 128),
    unet_heads=(3, 4, 4),
    unet_attention=(False, True, True),
    unet_layers=1,
    time_scale_shift="scale_shift",
    text_hidden=(96, 96),
    text_layers=2,
    decoder_channels=(16, 24, 48, 128, 192, 256),
    half_pictures=40_000,
    full_pictures=4_800,
    half_batch=24,
    full_batch=6,
    freshness=1.5,
    full_share=(0.2, 0.8),
    learning_rate=8e-4,
    cool_down=0.2,
    steps=12_000,
    decoder_steps=6_000,
    decoder_rate=1.5e-3,
    negative_every=6,
    twins=600,
    lora_steps=320,
)
FULL = Config(
    name="full",
    latent_channels=24,
    unet_channels=(96, 128, 160),
    unet_heads=(3, 4, 5),
    unet_attention=(False, True, True),
    unet_layers=1,
    time_scale_shift="scale_shift",
    text_hidden=(128, 128),
    text_layers=3,
    decoder_channels=(16, 24, 48, 128, 192, 256),
    half_pictures=80_000,
    full_pictures=16_000,
    half_batch=24,
    full_batch=6,
    freshness=4.0,
    full_share=(0.15, 0.5),
    learning_rate=7e-4,
    cool_down=0.2,
    steps=60_000,
    decoder_steps=20_000,
    decoder_rate=1.5e-3,
    negative_every=6,
    twins=2_000,
    lora_steps=400,
)
CONFIGS = {config.name: config for config in (CPU, FULL)}


def further(config: Config) -> Config:
    """Goes on from trained weights: now for the fine parts, at the sizes that are served."""
    return replace(
        config,
        full_pictures=2 * config.full_pictures,
        half_batch=config.half_batch // 2,
        full_batch=config.full_batch // 2,
        freshness=0.6,
        full_share=(0.75, 0.95),
        learning_rate=5e-4,
        cool_down=0.8,
        steps=config.steps // 8,
        decoder_steps=config.decoder_steps // 6,
        decoder_rate=5e-4,
        negative_every=3,
        twins=3 * config.twins,
        lora_steps=config.lora_steps // 2,
    )
