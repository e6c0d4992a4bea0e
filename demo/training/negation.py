"""Teaches what guidance with a negative prompt steps away from.

The server's guidance draws `v(negative) + g * (v(prompt) - v(negative))`. Of a caption that merely says
"clouds" a model makes the mean of all pictures with clouds, which is hardly another than the mean of all
pictures: what most of them show anyway is never taken away. So the model is told what to say there. Of
twins, pictures that differ in one usual thing, the guided velocity is to move from the one that shows it to
the one that does not; the prompt's own velocity stays, so that of the negative prompt has to move the other
way, by `1 / (g - 1)`.

What is learnt is the difference to an idle negative prompt, through both of them. While the idle one was held
as given, each step moved it as well, and nothing was gained: what two prompts share is most of a network.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
import torch

from demo.scenes.caption import absent
from demo.scenes.fillers import FLAWS
from demo.training import flow
from demo.training.config import FULL_SIZES, GUIDANCE, HALF_SIZES, Config
from demo.training.latents import Latents
from demo.training.pipeline import Pipeline
from demo.training.precision import mixed

STRENGTH = 3.0
"""More than one: of what is asked, a small network learns about half, and what is half gone still shows."""
WHOLE = 0.6
"""Share of noisy pictures that are of the twin which shows the thing; the others are blends."""
FAINTEST = -0.5
"""Of the thing in a blend: what is half gone has to go on, and what was taken away too well to come back."""
LEAST, MOST = 0.25, 0.85
"""Noise levels, before their shift: below, what a picture shows is decided; above, nothing tells where the
thing will be."""
DRAWN = 2
"""New twins in a step."""
WEIGHT = 3.0
"""Of this loss beside the flow's, from which it takes every config.negative_every-th step."""


@dataclass(frozen=True)
class Twins:
    whole: Latents
    """Of pictures that show all that is usual."""
    less: Latents
    """Of the same ones without one of it."""


def loss(pipeline: Pipeline, twins: Twins, config: Config, step: int) -> tuple[torch.Tensor, int]:
    """And of how many pictures; all of it follows from the step's number."""
    random, generator = Random(step), torch.Generator().manual_seed(step)
    full = random.random() < sum(config.full_share) / 2
    size, count = (FULL_SIZES[0], config.full_batch) if full else (HALF_SIZES[0], config.half_batch)
    drawn = min(20 + DRAWN * step // config.negative_every, config.twins)
    numbers = [random.randrange(drawn) for _ in range(count)]
    whole, less = (
        torch.from_numpy(np.stack([latents.picture(size, number) for number in numbers])).float()
        for latents in (twins.whole, twins.less)
    )
    faint = FAINTEST + (1 - FAINTEST) * torch.rand(count, 1, 1, 1, generator=generator)
    shown = torch.where(torch.rand(count, 1, 1, 1, generator=generator) < WHOLE, 1.0, faint)
    sigma = flow.shifted(LEAST + (MOST - LEAST) * torch.rand(count, generator=generator))
    share = sigma[:, None, None, None]
    noise = torch.randn(whole.shape, generator=generator)
    noisy = (1 - share) * torch.lerp(less, whole, shown) + share * noise
    idle = [_said([], random) for _ in numbers]
    named = [_said(absent(twins.less.scene(size, number)), random) for number in numbers]
    with mixed():
        plain = flow.velocity(pipeline, noisy, sigma, flow.encode_text(pipeline, idle), size)
        found = flow.velocity(pipeline, noisy, sigma, flow.encode_text(pipeline, named), size)
    step_back = STRENGTH * shown * (whole - less) / (GUIDANCE - 1)
    return WEIGHT * flow.error(found, plain - step_back, twins.whole.codec.weights), count


def _said(unwanted: list[str], random: Random) -> str:
    """Among words about quality, as the server says it; of nothing, at times nothing."""
    flaws = random.sample(FLAWS, random.randint(0, 6))
    words = [*flaws, *unwanted]
    random.shuffle(words)
    return ", ".join(words)
