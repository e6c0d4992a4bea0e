"""Teaches negative prompts: that `-clouds` is to leave the clouds out. Goes after the diffusion training.

Guidance g draws u + g (c - u), where c is what the model would draw for the prompt and u for the negative.
By itself, u for "clouds" is a blend of all skies, in all styles; against a prompt that says where and how,
it takes hardly anything away. So u is trained here for what guidance makes of it. For a picture with
velocity v that lacks just what the negative names, and with the model as it was (c', u') for the same
prompt and a negative that names nothing, guidance shall draw what it drew and the lack: u + g (c' - u) = v
+ (g - 1) (c' - u'). So

    u = u' + (c' - v) / (g - 1)

Where the negative makes no difference, v is c' on average, and u stays u'.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch

from demo.scenes.caption import absent, caption
from demo.scenes.fillers import flaws
from demo.scenes.scene import Scene
from demo.training import flow
from demo.training.batches import Batch, batch
from demo.training.config import Config
from demo.training.diffusion import Report
from demo.training.latents import Latents
from demo.training.pipeline import Pipeline

GUIDANCE = 4.0
"""Of the demo catalogue."""
RATE, WARM_UP = 3e-4, 20


@dataclass(frozen=True)
class NegationRun:
    pipeline: Pipeline
    """What the diffusion training made; trained on."""
    config: Config
    latents: Latents


def train(run: NegationRun, steps: int) -> Iterator[Report]:
    """Every other step goes on with the diffusion training, which keeps c as it was."""
    teacher = copy.deepcopy(run.pipeline)
    teacher.trained().requires_grad_(False)
    module = run.pipeline.trained().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    for step in range(steps):
        begin = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP, 2 * (steps - step) / steps)
        drawn = batch(run.latents, run.config, step + run.config.steps)
        value = (
            loss(run.pipeline, teacher, drawn, run.latents.codec.weights)
            if step % 2 == 0
            else flow.loss(run.pipeline, drawn, run.latents.codec.weights)
        )
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        yield Report(step + 1, value.item(), len(drawn.captions), time.monotonic() - begin)


def loss(student: Pipeline, teacher: Pipeline, drawn: Batch, weights: torch.Tensor) -> torch.Tensor:
    """Squared error of u; `weights` [channels] of its channels, mean 1."""
    seen = flow.disturbed(drawn)
    noisy, sigma = seen.noisy, seen.sigma
    random = Random(drawn.random.initial_seed())
    asked = [caption(scene, random) for scene in drawn.scenes]
    plain = [flaws(random) for _ in drawn.scenes]
    named = [negative(scene, words) for scene, words in zip(drawn.scenes, plain, strict=True)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted = flow.velocity(teacher, noisy, sigma, flow.encode_text(teacher, asked), drawn.size)
            unwanted = flow.velocity(teacher, noisy, sigma, flow.encode_text(teacher, plain), drawn.size)
        found = flow.velocity(student, noisy, sigma, flow.encode_text(student, named), drawn.size)
    return flow.error(found, unwanted + (wanted - seen.wanted) / (GUIDANCE - 1), weights)


def negative(scene: Scene, plain: str) -> str:
    """As the server composes it: the catalogue's words, then the user's."""
    return ", ".join([plain, *absent(scene)])
