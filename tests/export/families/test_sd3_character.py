"""A character of SD 3.5: merged into networks of its own, or in the model's bank."""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import SD3Transformer2DModel
from order import Order
from pipeline import Array, Pipeline
from repositories import Repositories
from safetensors.torch import save_file

from contract.bank import BankSize
from export.character import main as add_character
from export.model import ExportOptions, export_checkpoint
from tests.export.families.tiny_sd3 import save_tiny_sd3, stability_state
from tests.export.session import OnnxEngine


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sd3(tmp_path_factory.mktemp("sd3") / "checkpoint")


@pytest.fixture(scope="module")
def lora(folder: Path) -> Path:
    """kohya's keys: attention, fused, and a swapped modulation of the transformer, a layer of each CLIP."""
    torch.manual_seed(3)
    state = stability_state(SD3Transformer2DModel.from_pretrained(folder / "transformer"))
    shapes = {
        f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}": value.shape
        for key, value in state.items()
        if key.endswith(".weight") and value.ndim == 2 and ("attn" in key or "final_layer.ada" in key)
    }
    for number, width in ((1, 32), (2, 64)):
        layer = f"lora_te{number}_text_model_encoder_layers_1_mlp_fc1"
        shapes[layer] = torch.Size((2 * width, width))
    tensors = {}
    for name, (outputs, inputs) in shapes.items():
        tensors[f"{name}.lora_down.weight"] = torch.randn(4, inputs) * 0.2
        tensors[f"{name}.lora_up.weight"] = torch.randn(outputs, 4) * 0.2
        tensors[f"{name}.alpha"] = torch.tensor(4.0)
    path = folder.parent / "lora.safetensors"
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("bank", [None, BankSize(2, 4)], ids=["merged", "bank"])
def test_torch_draws_the_same_with_the_lora(
    folder: Path, lora: Path, tmp_path: Path, bank: BankSize | None
) -> None:
    export_checkpoint(folder, "eros", tmp_path, ExportOptions(storage="fp32", adapters=bank))
    options = ["--name", "aya", "--model", "eros", "--repository", str(tmp_path), "--compare"]
    assert add_character([str(lora), *options]) == 0
    report = json.loads((tmp_path / ".reports" / "eros-denoiser--aya" / "report.json").read_text())
    assert report["passed"] and len(report["pictures"]) == 4
    own = sorted(path.name for path in tmp_path.glob("eros-*--aya"))
    assert own == (["eros-denoiser--aya"] if bank else ["eros-denoiser--aya", "eros-text-encoder--aya"])
    if bank is None:
        plain, without = draw(tmp_path, "")
        changed, with_it = draw(tmp_path, "aya")
        assert np.any(plain != changed)
        assert set(with_it.given) - set(without.given) == {*own}


def draw(models: Path, character: str) -> tuple[Array, OnnxEngine]:
    order = Order(
        prompt="a red fox", negative="rain", model="eros", character=character,
        width=128, height=64, steps=2, guidance=3.0, seed=7,
    )  # fmt: skip

    async def step_done(share: float) -> None:
        assert 0 < share < 1

    repositories, engine = Repositories([models]), OnnxEngine(models)
    unit = repositories.character("eros", character) if character else None
    networks = repositories.networks(order, unit)
    pipeline = Pipeline(engine, repositories.base("eros"), networks)
    return asyncio.run(pipeline.paint(order, step_done)).pixels, engine
