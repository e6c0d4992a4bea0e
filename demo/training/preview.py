"""Sample sheets: the same prompts and seeds, over the course of training."""

from __future__ import annotations

import torch

from demo.scenes.render import Pixels
from demo.scenes.sheet import sheet
from demo.training import flow
from demo.training.diffusion import Run
from demo.training.pipeline import Pipeline
from demo.training.workplace import Workplace

PROMPTS = (
    "a red car on the beach, watercolour",
    "a woman with long black hair in a blue dress reading a book under a green tree, warm lighting",
    "an orange cat in the snow",
    "a blue house in the mountains, at sunset",
    "three yellow balls in a room",
    "a purple flower in a meadow, neon",
    "a white dog right of a red house, outline drawing",
    "a man in a green jumper waving in the city, at night",
    "a pink hot-air balloon in the mountains, paper cut",
    "a black cat, forest, soft light",
    "a green boat on the beach, sunset sky",
    "woman, red coat, drinking tea, cosy room",
)
SIZE = (1344, 768)
CHARACTER_PROMPTS = (
    "{name}, reading a book under a green tree, warm lighting",
    "{name}, waving, on the beach, watercolour",
    "{name}, drinking tea, in a cosy room",
    "{name}, in the snow, outline drawing",
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
    latents = flow.sample(pipeline, [prompt.format(name=name) for prompt in CHARACTER_PROMPTS], SIZE)
    codec = place.codec()
    sheet([codec.decode(one) for one in latents], 2, place.sheets / f"{name}.png")
