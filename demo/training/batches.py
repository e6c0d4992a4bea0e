"""What one optimiser step sees. All of it follows from the step's number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from demo.scenes.caption import absent, caption, mentions
from demo.scenes.fillers import flaws
from demo.scenes.scene import Scene
from demo.training.config import FULL_SIZES, HALF_SIZES, Config
from demo.training.latents import Latents

DROPPED = (0.06, 0.2, 0.4)
"""Share of captions that say nothing (empty, or words without meaning here), for guidance and negatives; by
how many usual things the picture lacks. Guidance steps away from what such captions show: if they went with
clouds more often than those that are merely silent about clouds, it would take clouds out of pictures that
nobody wanted without them."""
MENTIONED = 0.08
"""Share of captions that name one or two things of the picture, often among words without meaning: without
them a negative prompt would be a kind of text that the model has never seen."""
FIRST = 0.7
"""Share of pictures of the first size, the server's default: at full size, a fine part that was seen a few
hundred times is a blur."""


@dataclass(frozen=True)
class Batch:
    clean: torch.Tensor
    """Latents [count, channels, height, width] of one size."""
    captions: list[str]
    size: tuple[int, int]
    """Width and height in pixels."""
    random: torch.Generator


def batch(latents: Latents, config: Config, step: int, told: bool = False) -> Batch:
    """`told`: every caption says what its picture shows."""
    random = Random(step)
    begin, end = config.full_share
    full = random.random() < begin + (end - begin) * step / config.steps
    sizes = FULL_SIZES if full else HALF_SIZES
    size = sizes[0] if random.random() < FIRST else random.choice(sizes[1:])
    shards = _shards(latents.shard_size, config, full, step, FIRST if size == sizes[0] else 0.0)
    numbers = [
        random.randrange(shards * latents.shard_size)
        for _ in range(config.full_batch if full else config.half_batch)
    ]
    return Batch(
        clean=torch.from_numpy(np.stack([latents.picture(size, number) for number in numbers])).float(),
        captions=[_caption(latents.scene(size, number), random, told) for number in numbers],
        size=size,
        random=torch.Generator().manual_seed(step),
    )


def _shards(size: int, config: Config, full: bool, step: int, share: float) -> int:
    """Of one size, which has `share` of the pictures, or an equal part of what the first size leaves. Few at
    first: pictures are drawn as training goes, up to the config's count."""
    sizes, most = (FULL_SIZES, config.full_pictures) if full else (HALF_SIZES, config.half_pictures)
    share = share or (1 - FIRST) / (len(sizes) - 1)
    steps = step * (sum(config.full_share) / 2 if full else 1 - sum(config.full_share) / 2)
    begun = (1 if full else 2) + math.ceil(steps * share * config.freshness / size)
    return max(1, min(begun, int(most * share) // size))


def _caption(scene: Scene, random: Random, told: bool) -> str:
    if told:
        return caption(scene, random)
    kind, dropped = random.random(), DROPPED[len(absent(scene))]
    if kind < dropped:
        return random.choice(("", flaws(random)))
    if kind < dropped + MENTIONED:
        return ", ".join([*random.choice(([], [flaws(random)])), *mentions(scene, random)])
    return caption(scene, random)
