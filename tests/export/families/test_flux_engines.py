"""FLUX.1 at tiny size in engines other than a graph: plans of TensorRT for RTX, packages, banks, OpenVINO."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from safetensors.torch import save_file

from contract.bank import BankSize, read_bank
from contract.parts import ModelPart
from export.__main__ import main
from export.bank_character import add_factors
from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint, open_checkpoint
from export.engines.inductor import PackageRunner, compile_network, ranges
from export.engines.recipe import EngineOptions
from export.model import ExportOptions, export_checkpoint
from export.networks.networks import Network, networks_of
from export.networks.trace import example_inputs
from tests.export.session import largest_error, run, session
from tests.export.tiny_flux import save_tiny_flux

SIZES = {"batch": 3, "height": 8, "width": 12, "tokens": 512}
RANK = 4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return open_checkpoint(save_tiny_flux(tmp_path_factory.mktemp("flux") / "checkpoint"))


def network_named(checkpoint: Checkpoint, part: str) -> Network:
    return next(one for one in networks_of(checkpoint) if one.part.name == part)


def inputs_of(part: ModelPart) -> dict[str, torch.Tensor]:
    inputs = example_inputs(part, SIZES)
    inputs["guidance"] = torch.tensor([[1.0], [3.5], [7.0]])
    return inputs


def save_lora(path: Path) -> Path:
    """kohya's, of fused layers of both kinds of blocks and of a modulation, which sees no tokens."""
    torch.manual_seed(5)
    tensors = {}
    for layer, rows in (
        ("double_blocks_0_img_attn_qkv", 96),
        ("single_blocks_1_linear1", 224),
        ("double_blocks_1_img_mod_lin", 192),
    ):
        tensors[f"lora_unet_{layer}.lora_down.weight"] = torch.randn(RANK, 32) * 0.3
        tensors[f"lora_unet_{layer}.lora_up.weight"] = torch.randn(rows, RANK) * 0.3
        tensors[f"lora_unet_{layer}.alpha"] = torch.tensor(2.0)
    save_file(tensors, path)
    return path


def test_samples_of_one_batch_have_their_own_loras_of_a_bank(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """As the merged denoiser of each answers."""
    models, lora = tmp_path / "models", save_lora(tmp_path / "lora.safetensors")
    export_checkpoint(
        checkpoint.folder, "eros", models, ExportOptions(storage="fp32", adapters=BankSize(2, RANK))
    )
    assert add_factors(models / "eros-denoiser", lora, tmp_path / "eros-denoiser--aya").written
    factors = load_file(tmp_path / "eros-denoiser--aya" / "factors.safetensors")
    bank = read_bank(models / "eros-denoiser")
    assert bank
    tables = {table.name: np.zeros(bank.shape(table), np.float32) for table in bank.tables}
    for name, value in factors.items():
        if name in tables:
            tables[name][1, : len(value)] = value
    inputs = inputs_of(network_named(checkpoint, "denoiser").part)
    given = {name: value.numpy() for name, value in inputs.items()}
    given |= {"slots": np.array([[0], [1], [0]]), "strengths": np.array([[0], [1], [0]], np.float32)}
    (found,) = session(models / "eros-denoiser").run(None, given | tables)
    plain, merged = tmp_path / "plain", tmp_path / "merged"
    export_checkpoint(checkpoint.folder, "eros", plain, ExportOptions(storage="fp32"))
    merge_character(plain / "eros-denoiser", lora, merged / "eros-denoiser--aya")
    for row, model in enumerate(
        (plain / "eros-denoiser", merged / "eros-denoiser--aya", plain / "eros-denoiser")
    ):
        one = {name: value[row : row + 1] for name, value in inputs.items()}
        assert largest_error(found[row : row + 1], torch.from_numpy(run(model, one)[0])) < 2e-3
    assert np.abs(run(plain / "eros-denoiser", inputs)[0][1] - found[1]).max() > 0.01


def test_package_makes_torchs_step_at_every_size_and_batch(checkpoint: Checkpoint, tmp_path: Path) -> None:
    network = network_named(checkpoint, "denoiser")
    axes = ranges(network.part, EngineOptions(batch=3), checkpoint.downscale)
    (tmp_path / "1").mkdir()
    compile_network(tmp_path / "1" / "model.pt2", network, axes)
    runner = PackageRunner(tmp_path, ("next_latents",))
    for batch, height, width in ((3, 8, 12), (1, 24, 42)):
        inputs = example_inputs(network.part, {**SIZES, "batch": batch, "height": height, "width": width})
        with torch.no_grad():
            wanted = network.module(**inputs)
        assert float((runner.run(inputs)["next_latents"] - wanted).abs().max()) < 1e-4


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_plans_are_built_of_every_part(precision: str, checkpoint: Checkpoint, tmp_path: Path) -> None:
    options = ["--engine", "tensorrt", "--sizes", "1344x768", "--batch", "2", "--precision", precision]
    assert main([str(checkpoint.folder), "--name", "eros", "--output", str(tmp_path), *options]) == 0
    parts = ("decoder", "denoiser", "text-encoder", "text-encoder-t5")
    assert all((tmp_path / f"eros-{part}" / "1" / "model.plan").stat().st_size > 1000 for part in parts)


def test_openvino_makes_torchs_step(checkpoint: Checkpoint, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    export_checkpoint(checkpoint.folder, "eros", tmp_path, ExportOptions(storage="fp32"))
    network = network_named(checkpoint, "denoiser")
    inputs = inputs_of(network.part)
    with torch.no_grad():
        wanted = network.module(**inputs)
    compiled = openvino.Core().compile_model(
        tmp_path / "eros-denoiser" / "1" / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    found = compiled({name: value.numpy() for name, value in inputs.items()})[0]
    assert largest_error(found, wanted) < 1e-4
