"""FLUX.1 from a folder to a picture by Triton's pipeline, beside diffusers' own FluxPipeline."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from diffusers.training_utils import _collate_lora_metadata
from noise import standard_noise
from order import Order
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from pipeline import Pipeline
from repositories import Repositories
from transformers import CLIPTextModel

from export.character import main as add_character
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


def draw_with_diffusers(checkpoint: Path, wanted: Order, window: int, lora: Path | None = None) -> Pixels:
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(checkpoint / "scheduler")
    pipeline = FluxPipeline.from_pretrained(checkpoint, scheduler=scheduler, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.tokenizer_max_length = 77  # which the tiny tokenizer does not say
    if lora:
        pipeline.load_lora_weights(lora.parent, weight_name=lora.name)
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


def save_lora(folder: Path, checkpoint: Path) -> Path:
    """As diffusers saves what PEFT has trained, of the transformer's two kinds of blocks and of CLIP."""
    torch.manual_seed(3)
    transformer = FluxTransformer2DModel.from_pretrained(checkpoint / "transformer")
    encoder = CLIPTextModel.from_pretrained(checkpoint / "text_encoder")
    layers = ["attn.to_q", "attn.add_k_proj", "attn.to_out.0", "proj_mlp", "ff.net.2", "norm1.linear"]
    states = []
    for network, targets in ((transformer, layers), (encoder, ["q_proj", "fc1"])):
        network.add_adapter(LoraConfig(r=4, lora_alpha=6, target_modules=targets, init_lora_weights=False))
        states.append(get_peft_model_state_dict(network))
    FluxPipeline.save_lora_weights(
        folder,
        transformer_lora_layers=states[0],
        text_encoder_lora_layers=states[1],
        **_collate_lora_metadata({"transformer": transformer, "text_encoder": encoder}),
    )
    return folder / "pytorch_lora_weights.safetensors"


def test_character_is_drawn_as_diffusers_draws_with_its_lora(
    folders: dict[bool, Path], tmp_path: Path
) -> None:
    models, checkpoint = folders[True] / "models", folders[True] / "checkpoint"
    lora = save_lora(tmp_path, checkpoint)
    options = ["--name", "aya", "--model", "eros", "--repository", str(models), "--compare"]
    assert add_character([str(lora), *options]) == 0
    wanted = order(character="aya")
    found, _ = draw(models, wanted)
    theirs = draw_with_diffusers(checkpoint, wanted, 512, lora)
    assert np.abs(found.astype(int) - theirs.astype(int)).max() <= 1
    plain, _ = draw(models, order())
    assert np.any(plain != found)


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
