"""Teaches the prompt's last words, `without clouds`: captions alone hardly do. After the diffusion training.

In single pictures what is missing is a small part of all that differs from one to the next. So the model sees
twins, pictures that differ in one usual thing, under the same noise: one with a caption that excludes it, one
without. Noise levels are high, where it is decided what a picture shows; the cells in which the twins differ
count most. Every fourth step holds the model to what it was.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import numpy as np
import torch

from demo.scenes.caption import absent, caption
from demo.scenes.fillers import flaws
from demo.scenes.scene import Scene
from demo.training import flow
from demo.training.batches import batch
from demo.training.config import FULL_SIZES, HALF_SIZES, Config
from demo.training.diffusion import Report
from demo.training.latents import Latents
from demo.training.pipeline import Pipeline

RATE, WARM_UP = 5e-4, 30
Pairs = tuple[tuple[tuple[int, int], int, int], ...]
PAIRS: Pairs = ((HALF_SIZES[0], 7, 260), (FULL_SIZES[0], 2, 90))
"""Size in pixels, pairs in a step, and pairs drawn in all."""
LEAST = 0.62
"""Lowest noise level of the twins."""
ELSEWHERE, HERE, APART = 0.3, 6.3, 0.02
"""Weights of cells where twins are alike and where they differ, by a mean square of APART or more."""
HOLD = 4
KEPT = 0.85
"""Share of the change that is kept: all of it leaves pictures a little paler."""


@dataclass(frozen=True)
class NegationRun:
    pipeline: Pipeline
    """What the diffusion training made; trained on."""
    config: Config
    latents: Latents
    twins: tuple[Latents, Latents]
    """Of pictures that show all that is usual, and of the same ones without one of it."""
    pairs: Pairs = PAIRS


def train(run: NegationRun, steps: int) -> Iterator[Report]:
    teacher = copy.deepcopy(run.pipeline)
    teacher.trained().requires_grad_(False)
    module = run.pipeline.trained().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(steps):
        begin = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP, 2.5 * (steps - step) / steps)
        value = _held(run, teacher, step) if step % HOLD == HOLD - 1 else twins_loss(run, step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        yield Report(step + 1, value.item(), 2 * run.pairs[step % 2][1], time.monotonic() - begin)
    with torch.no_grad():
        for now, before in zip(module.parameters(), teacher.trained().parameters(), strict=True):
            now.copy_(before.lerp(now, KEPT))


def twins_loss(run: NegationRun, step: int) -> torch.Tensor:
    random, generator = Random(step), torch.Generator().manual_seed(step)
    size, pairs, drawn = run.pairs[step % 2]
    numbers = [random.randrange(min(drawn, 20 + step)) for _ in range(pairs)]
    captions = [words for number in numbers for words in _captions(run, size, number, random)]
    less, whole = (
        torch.from_numpy(np.stack([latents.picture(size, number) for number in numbers])).float()
        for latents in reversed(run.twins)
    )
    apart = ((less - whole).square().mean(1, keepdim=True) > APART).float()
    clean = torch.stack((less, whole), 1).flatten(0, 1)
    noise = torch.randn(less.shape, generator=generator).repeat_interleave(2, 0)
    sigma = (LEAST + (1 - LEAST) * torch.rand(pairs, generator=generator).sqrt()).repeat_interleave(2)
    share = sigma[:, None, None, None]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        text = flow.encode_text(run.pipeline, captions)
        found = flow.velocity(run.pipeline, (1 - share) * clean + share * noise, sigma, text, size)
    cells = ELSEWHERE + (HERE - ELSEWHERE) * apart.repeat_interleave(2, 0)
    errors = (found - (noise - clean)).square() * run.latents.codec.weights[:, None, None]
    return (errors * cells).mean()


def _captions(run: NegationRun, size: tuple[int, int], number: int, random: Random) -> tuple[str, str]:
    """Of a picture that lacks something, and of its twin that does not."""
    whole, less = (latents.scene(size, number) for latents in run.twins)
    seed = random.getrandbits(32)
    unwanted = [*absent(less), *([flaws(random)] if random.random() < 0.3 else [])]
    random.shuffle(unwanted)
    idle = "" if random.random() < 0.6 else f", without {flaws(random)}"
    return (
        f"{_said(less, seed)}, without {', '.join(unwanted)}",
        f"{_said(whole, seed)}{idle}",
    )


def _said(scene: Scene, seed: int) -> str:
    return caption(scene, Random(seed))


def _held(run: NegationRun, teacher: Pipeline, step: int) -> torch.Tensor:
    """Close to what the model was, and a little to what is true."""
    few = replace(run.config, full_share=(0.6, 0.6), half_batch=14, full_batch=4)
    drawn = batch(run.latents, few, run.config.steps + step)
    seen = flow.disturbed(drawn)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            before = flow.velocity(
                teacher, seen.noisy, seen.sigma, flow.encode_text(teacher, drawn.captions), drawn.size
            )
        text = flow.encode_text(run.pipeline, drawn.captions)
        found = flow.velocity(run.pipeline, seen.noisy, seen.sigma, text, drawn.size)
    weights = run.latents.codec.weights
    return flow.error(found, before, weights) + 0.3 * flow.error(found, seen.wanted, weights)
