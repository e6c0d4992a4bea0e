"""Sample sheets: the same prompts and seeds, over the course of training."""

from __future__ import annotations

import torch

from demo.scenes.looks import CHARACTERS
from demo.scenes.render import Pixels
from demo.scenes.sheet import sheet
from demo.training import flow
from demo.training.diffusion import Run
from demo.training.pipeline import Pipeline
from demo.training.workplace import Workplace

PROMPTS = (
    "a red car on the beach, watercolour",
    "a blue robot with a yellow antenna reading a book under a green tree, warm lighting",
    "an orange cat in the snow",
    "an orange fox in a green scarf, riding a bicycle, in the city",
    "a blue house in the mountains, at sunset",
    "a purple owl with yellow glasses waving in the forest",
    "a purple flower in a meadow, neon",
    "a brown bear in a red jumper, holding an umbrella, on the beach, rain",
    "a white dog right of a red house, outline drawing",
    "a blue robot in the city, at night",
    "a pink hot-air balloon in the mountains, paper cut",
    "an orange fox sitting left of a red car in the desert",
)
SIZE = (1344, 768)
CHARACTER_PROMPTS = (
    "{name}, reading a book under a green tree, warm lighting",
    "{name}, waving, on the beach, watercolour",
    "{name}, riding a bicycle, in a cosy room",
    "{name}, sitting, in the snow, outline drawing",
)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def preview(run: Run, place: Workplace) -> None:
    """Samples the averaged weights at full size and draws them with the linear decoder, which is quick."""
    module = run.pipeline.trained()
    current = {name: value.detach().clone() for name, value in module.state_dict().items()}
    module.load_state_dict(run.averages.values)
    latents = flow.sample(run.pipeline, PROMPTS, SIZE)
    module.load_state_dict(current)
    pictures: list[Pixels] = [run.latents.codec.decode(one) for one in latents]
    sheet(pictures, 4, place.sheets / f"{run.step:07d}.png")


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def character_preview(pipeline: Pipeline, place: Workplace, name: str) -> None:
    latents = flow.sample(
        pipeline,
        [prompt.format(name=f"{name}, {CHARACTERS[name].words}") for prompt in CHARACTER_PROMPTS],
        SIZE,
    )
    codec = place.codec()
    sheet([codec.decode(one) for one in latents], 2, place.sheets / f"{name}.png")
