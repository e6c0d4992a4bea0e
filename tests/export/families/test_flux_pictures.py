"""FLUX.1 from a folder to a picture by Triton's pipeline, beside diffusers' own FluxPipeline."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline
from noise import standard_noise
from order import Order
from pipeline import Pipeline
from repositories import Repositories

from export.model import ExportOptions, export_checkpoint
from tests.export.session import OnnxEngine
from tests.export.tiny_flux import CHANNELS, save_tiny_flux

WIDTH, HEIGHT, SEED = 256, 128, 7
Pixels = npt.NDArray[np.uint8]
GUIDED = pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])
# diffusers' scheduler turns torch tensors into numpy arrays in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """By whether the model takes the guidance: its checkpoint and, in models/, what became of it."""
    found = {}
    for guided in (True, False):
        found[guided] = folder = tmp_path_factory.mktemp("flux")
        checkpoint = save_tiny_flux(folder / "checkpoint", guidance=guided)
        export_checkpoint(checkpoint, "eros", folder / "models", ExportOptions(storage="fp32"))
    return found


def order(**more: Any) -> Order:
    usual = {
        "prompt": "a red fox under a tree",
        "negative": "",
        "model": "eros",
        "character": "",
        "seed": SEED,
    }
    return Order(**{**usual, "width": WIDTH, "height": HEIGHT, "steps": 4, "guidance": 3.5, **more})


def draw(models: Path, wanted: Order) -> tuple[Pixels, OnnxEngine]:
    repositories, engine = Repositories([models]), OnnxEngine(models)
    unit = repositories.character("eros", wanted.character) if wanted.character else None
    pipeline = Pipeline(engine, repositories.base("eros"), repositories.networks(wanted, unit))

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    return asyncio.run(pipeline.paint(wanted, step_done)).pixels, engine


def draw_with_diffusers(checkpoint: Path, wanted: Order, window: int) -> Pixels:
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(checkpoint / "scheduler")
    pipeline = FluxPipeline.from_pretrained(checkpoint, scheduler=scheduler, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.tokenizer_max_length = 77  # which the tiny tokenizer does not say
    scale = pipeline.vae_scale_factor
    height, width = wanted.height // scale, wanted.width // scale
    noise = torch.from_numpy(standard_noise(wanted.seed, (1, CHANNELS, height, width)))
    made = pipeline(
        wanted.prompt,
        height=wanted.height,
        width=wanted.width,
        num_inference_steps=wanted.steps,
        guidance_scale=wanted.guidance,
        latents=pipeline._pack_latents(noise, 1, CHANNELS, height, width),
        max_sequence_length=window,
        output_type="np",
    ).images[0]
    found: Pixels = np.floor(made * 255 + 0.5).astype(np.uint8)
    return found


@GUIDED
def test_picture_is_diffusers(guided: bool, folders: dict[bool, Path]) -> None:
    wanted = order()
    found, engine = draw(folders[guided] / "models", wanted)
    theirs = draw_with_diffusers(folders[guided] / "checkpoint", wanted, 512 if guided else 256)
    assert np.abs(found.astype(int) - theirs.astype(int)).max() <= 1
    given = engine.given["eros-denoiser"]
    assert given["embeddings"].shape == (1, 512 if guided else 256, 32)
    assert ("guidance" in given) == guided
    assert not any(name.startswith("negative") for name in given)


@GUIDED
def test_every_network_answers_as_torch(guided: bool, folders: dict[bool, Path]) -> None:
    report = json.loads((folders[guided] / "models" / ".reports" / "eros" / "report.json").read_text())
    assert report["passed"] and not report["levels"]
    assert report["parts"].keys() == {"text-encoder", "text-encoder-t5", "denoiser", "decoder"}


def test_guidance_and_size_change_the_picture_and_a_negative_prompt_does_not(
    folders: dict[bool, Path],
) -> None:
    models = folders[True] / "models"
    plain, _ = draw(models, order())
    same, _ = draw(models, order(negative="a lake"))
    other, _ = draw(models, order(guidance=1.5))
    np.testing.assert_array_equal(plain, same)
    assert np.any(plain != other)


def test_schnell_knows_no_guidance(folders: dict[bool, Path]) -> None:
    models = folders[False] / "models"
    plain, _ = draw(models, order())
    other, _ = draw(models, order(guidance=7.0))
    np.testing.assert_array_equal(plain, other)
