"""Z-Image and Z-Image-Turbo, from a checkpoint to a picture by Triton's pipeline, beside diffusers' own."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from noise import standard_noise
from order import Order
from pipeline import Pipeline
from repositories import Repositories
from safetensors.torch import load_file, save_file

from contract.families import MASKED_STEP
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.model import ExportOptions, export_checkpoint
from export.parity.comparison import compare
from tests.export.parity.test_runtimes import LIMIT, PRECISIONS, OpenVinoRunner
from tests.export.session import OnnxEngine
from tests.export.tiny_z_image import CHANNELS, pipeline, save_tiny_z_image

PROMPT, NEGATIVE = "a fox under a tree, reading a book", "rain"
SIZE = {"width": 192, "height": 128}
STEPS, SEED = 4, 7
SHIFTS = {"z-image": 6.0, "z-image-turbo": 3.0}
Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, told from each other by the names of their folders."""
    folder = tmp_path_factory.mktemp("z-image")
    for name, shift in SHIFTS.items():
        checkpoint = save_tiny_z_image(folder / name, shift)
        export_checkpoint(checkpoint, name, folder / "models", ExportOptions(storage="fp32"))
    return folder / "models"


def draw(repository: Path, model: str, **more: Any) -> tuple[Array, OnnxEngine]:
    wish: dict[str, Any] = {
        "prompt": PROMPT, "negative": NEGATIVE, "character": "", "guidance": 4.0, "steps": STEPS,
        "seed": SEED, **SIZE, **more,
    }  # fmt: skip
    order = Order(model=model, **wish)

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    repositories, engine = Repositories([repository]), OnnxEngine(repository)
    drawn = Pipeline(engine, repositories.base(model), repositories.networks(order, None))
    return asyncio.run(drawn.paint(order, step_done)).pixels, engine


def draw_with_diffusers(model: str, guidance: float) -> Array:
    shape = (1, CHANNELS, SIZE["height"] // 32, SIZE["width"] // 32)
    made = pipeline(SHIFTS[model])(
        prompt=PROMPT,
        negative_prompt=NEGATIVE if guidance else None,
        guidance_scale=guidance,
        num_inference_steps=STEPS,
        latents=torch.from_numpy(standard_noise(SEED, shape)),
        output_type="np",
        **SIZE,
    )
    return np.asarray(made.images[0] * 255)


def test_picture_is_the_one_that_diffusers_draws(repository: Path) -> None:
    """Whose guidance is ours less 1: it counts how far to go beyond the prompt."""
    pixels, _ = draw(repository, "z-image")
    assert np.abs(pixels - draw_with_diffusers("z-image", 3.0)).max() < 1
    assert pixels.std() > 1


def test_turbos_picture_is_the_one_that_diffusers_draws_without_guidance(repository: Path) -> None:
    pixels, engine = draw(repository, "z-image-turbo")
    assert np.abs(pixels - draw_with_diffusers("z-image-turbo", 0.0)).max() < 1
    asked = engine.given["z-image-turbo-denoiser"]
    assert set(asked) == {"latents", "sigma", "sigma_next", "embeddings", "mask"}


def test_guidance_of_one_is_none(repository: Path) -> None:
    pixels, _ = draw(repository, "z-image", guidance=1.0)
    assert np.abs(pixels - draw_with_diffusers("z-image", 0.0)).max() < 1


def test_padding_that_no_text_needs_is_cut(repository: Path) -> None:
    _, short = draw(repository, "z-image")
    _, long = draw(repository, "z-image", negative=f"{NEGATIVE} " * 400)
    shapes = [
        {one: engine.given["z-image-denoiser"][one].shape[1] for one in ("embeddings", "negative_mask")}
        for engine in (short, long)
    ]
    assert shapes == [dict.fromkeys(shapes[0], MASKED_STEP), dict.fromkeys(shapes[0], 4 * MASKED_STEP)]


def test_weights_in_a_prompt_change_nothing(repository: Path) -> None:
    plain, _ = draw(repository, "z-image-turbo")
    weighed, _ = draw(repository, "z-image-turbo", prompt=PROMPT.replace("tree", "(tree:1.5)"))
    np.testing.assert_array_equal(plain, weighed)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("model", SHIFTS)
def test_openvino_draws_what_torch_draws(
    repository: Path, tmp_path: Path, model: str, precision: str
) -> None:
    checkpoint = open_checkpoint(repository.parent / model)
    parts = {part: repository / f"{model}-{part}" for part in checkpoint.parts}
    report = compare(
        parts,
        checkpoint,
        open_tokenizers(checkpoint),
        LIMIT[precision],
        tmp_path,
        make_runner=lambda folder, part: OpenVinoRunner(folder, precision),
    )
    assert report.failure is None


def test_restored_checkpoint_is_exported_again_the_same(repository: Path, tmp_path: Path) -> None:
    """Also as Turbo, whatever its folder is called."""
    restored = restore_checkpoint(repository, "z-image-turbo", tmp_path / "restored")
    export_checkpoint(restored, "z-image-turbo", tmp_path / "again", ExportOptions(storage="fp32"))
    for part in ("text-encoder", "denoiser", "decoder"):
        one, two = (folder / f"z-image-turbo-{part}" / "1" for folder in (repository, tmp_path / "again"))
        assert (one / "model.onnx").read_bytes() == (two / "model.onnx").read_bytes()


def test_text_encoder_is_read_as_a_whole_language_model_too(repository: Path, tmp_path: Path) -> None:
    """As it was published: behind `model.` in every key."""
    folder = tmp_path / "z-image"
    shutil.copytree(repository.parent / "z-image", folder)
    weights = load_file(folder / "text_encoder" / "model.safetensors")
    renamed = {f"model.{key}": value for key, value in weights.items()}
    save_file(renamed, folder / "text_encoder" / "model.safetensors", {"format": "pt"})
    (encoder,) = open_checkpoint(folder).text_encoders.values()
    for key, value in encoder.state_dict().items():
        torch.testing.assert_close(value, weights[key], rtol=0, atol=0)


def test_description_says_how_each_is_drawn(repository: Path) -> None:
    for name, shift in SHIFTS.items():
        described = json.loads((repository / f"{name}-denoiser" / "pipeline.json").read_text())
        assert described["family"] == name.replace("-", "_")
        assert described["sigmas"] == {"kind": "flow", "shift": shift}
