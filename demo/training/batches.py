"""What one optimiser step sees. All of it follows from the step's number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from demo.scenes.caption import caption, mentions
from demo.scenes.fillers import flaws
from demo.scenes.scene import Scene
from demo.training.config import FULL_SIZES, HALF_SIZES, Config
from demo.training.latents import Latents

DROPPED = 0.1
"""Share of captions that say nothing (empty, or words without meaning here), for guidance and negatives."""
MENTIONED = 0.12
"""Share of captions that name one or two things of the picture, often among words without meaning: without
them a negative prompt would be a kind of text that the model has never seen."""
PLACELESS = 0.08
"""Share of captions that leave the place open, as people's prompts do."""


@dataclass(frozen=True)
class Batch:
    clean: torch.Tensor
    """Latents [count, channels, height, width] of one size."""
    captions: list[str]
    size: tuple[int, int]
    """Width and height in pixels."""
    random: torch.Generator


def batch(latents: Latents, config: Config, step: int) -> Batch:
    random = Random(step)
    begin, end = config.full_share
    full = random.random() < begin + (end - begin) * step / config.steps
    size = random.choice(FULL_SIZES if full else HALF_SIZES)
    shards = _shards(latents.shard_size, config, full, step)
    numbers = [
        random.randrange(shards * latents.shard_size)
        for _ in range(config.full_batch if full else config.half_batch)
    ]
    return Batch(
        clean=torch.from_numpy(np.stack([latents.picture(size, number) for number in numbers])).float(),
        captions=[_caption(latents.scene(size, number), random) for number in numbers],
        size=size,
        random=torch.Generator().manual_seed(step),
    )


def _shards(size: int, config: Config, full: bool, step: int) -> int:
    """Per size. Few at first: pictures are drawn as training goes, up to the config's count."""
    sizes, most = (len(FULL_SIZES), config.full_pictures) if full else (len(HALF_SIZES), config.half_pictures)
    share = sum(config.full_share) / 2 if full else 1 - sum(config.full_share) / 2
    begun = (2 if full else 8) + math.ceil(step * share * config.freshness / (size * sizes))
    return max(1, min(begun, most // (size * sizes)))


def _caption(scene: Scene, random: Random) -> str:
    kind = random.random()
    if kind < DROPPED:
        return random.choice(("", flaws(random)))
    if kind < DROPPED + MENTIONED:
        return ", ".join([*random.choice(([], [flaws(random)])), *mentions(scene, random)])
    return caption(scene, random, placed=random.random() >= PLACELESS)
