"""Teaches negative prompts: that `-clouds` is to leave the clouds out. Goes after the diffusion training.

Guidance g draws u + g (c - u), where c is what the model would draw for the prompt and u for the negative.
By itself, u for "clouds" is a blend of all skies, in all styles; against a prompt that says where and how,
it takes hardly anything away. So u is trained here for what guidance makes of it. From pairs of pictures
that differ in one usual thing alone: on the way to the picture x that shows it, with a negative that names
it, what is drawn shall turn towards its twin y that lacks it, whose velocity is v = (noisy x - y) / sigma.
With the model as it was (c', u') for the same prompt and a negative that names nothing, guidance shall draw
what it drew and the lack: u + g (c' - u) = v + (g - 1) (c' - u'). So

    u = u' + (c' - v) / (g - 1)
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
RATE, WARM_UP = 4e-4, 20
PICTURES = 400
LEAST = 0.3
"""Below this noise level nothing is taken away any more."""
NAMED = 0.75
"""Share of negatives that name what the twin lacks; the others shall change nothing."""
GO_ON = 3
"""Every so many steps go on with the diffusion training, which keeps c as it was."""


@dataclass(frozen=True)
class NegationRun:
    pipeline: Pipeline
    """What the diffusion training made; trained on."""
    config: Config
    latents: Latents
    twins: tuple[Latents, Latents]
    """Of pictures that show all that is usual, and of the same ones without one of it."""


def train(run: NegationRun, steps: int) -> Iterator[Report]:
    teacher = copy.deepcopy(run.pipeline)
    teacher.trained().requires_grad_(False)
    module = run.pipeline.trained().train()
    optimiser = torch.optim.AdamW(module.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=0.0)
    few = replace(run.config, half_pictures=PICTURES, full_pictures=PICTURES, full_share=(1.0, 1.0))
    for step in range(steps):
        begin = time.monotonic()
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARM_UP, 2 * (steps - step) / steps)
        if step % GO_ON == 0:
            drawn = batch(run.latents, run.config, step + run.config.steps)
            value = flow.loss(run.pipeline, drawn, run.latents.codec.weights)
        else:
            drawn, twin = (batch(latents, few, step) for latents in run.twins)
            value = loss(run.pipeline, teacher, drawn, twin, run.latents.codec.weights)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimiser.step()
        yield Report(step + 1, value.item(), len(drawn.captions), time.monotonic() - begin)


def loss(
    student: Pipeline,
    teacher: Pipeline,
    whole: Batch,
    less: Batch,
    weights: torch.Tensor,
    named: float = NAMED,
) -> torch.Tensor:
    """Squared error of u; `weights` [channels] of its channels, mean 1."""
    seen, random = flow.disturbed(whole, LEAST), Random(whole.random.initial_seed())
    asked = [caption(scene, random) for scene in less.scenes]
    plain = [flaws(random) for _ in less.scenes]
    names = [random.random() < named for _ in less.scenes]
    negatives = [
        negative(scene, words) if name else words
        for scene, words, name in zip(less.scenes, plain, names, strict=True)
    ]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with torch.no_grad():
            wanted = flow.velocity(
                teacher, seen.noisy, seen.sigma, flow.encode_text(teacher, asked), whole.size
            )
            unwanted = flow.velocity(
                teacher, seen.noisy, seen.sigma, flow.encode_text(teacher, plain), whole.size
            )
        found = flow.velocity(
            student, seen.noisy, seen.sigma, flow.encode_text(student, negatives), whole.size
        )
    turned = (seen.noisy - less.clean) / seen.sigma[:, None, None, None]
    change = torch.tensor(names)[:, None, None, None] * (wanted - turned)
    return flow.error(found, unwanted + change / (GUIDANCE - 1), weights)


def negative(scene: Scene, plain: str) -> str:
    """As the server composes it: the catalogue's words, then the user's."""
    return ", ".join([plain, *absent(scene)])
