"""Z-Image as other engines than ONNX, as far as a machine without a GPU can tell."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto

from contract.names import DENOISER
from export.__main__ import main
from export.checkpoints.checkpoint import open_checkpoint
from export.engines.inductor import PackageRunner, compile_network, ranges
from export.engines.recipe import EngineOptions
from export.networks.networks import network_of
from export.networks.trace import example_inputs
from tests.export.tiny_z_image import save_tiny_z_image


@pytest.fixture(scope="module")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_z_image(tmp_path_factory.mktemp("checkpoint") / "z-image-turbo")


def test_plans_compute_in_bfloat16(turbo: Path, tmp_path: Path) -> None:
    options = ["--engine", "tensorrt", "--sizes", "1024x1024", "--batch", "2"]
    assert main([str(turbo), "--name", "eros", "--output", str(tmp_path), *options]) == 0
    for part in ("text-encoder", "denoiser", "decoder"):
        folder = tmp_path / f"eros-{part}"
        assert (folder / "1" / "model.plan").stat().st_size > 1000
        graph = onnx.load(folder / "1" / "model.onnx").graph
        kinds = {tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}
        assert kinds == {TensorProto.BFLOAT16}
    profile = json.loads((tmp_path / "eros-denoiser" / "plan.json").read_text())["recipe"]["profiles"][0]
    assert [shape[1] for shape in profile["embeddings"]] == [128, 128, 512]
    assert [shape[1] for shape in profile["mask"]] == [128, 128, 512]


def test_fp16_is_refused(turbo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(turbo), "--name", "eros", "--output", str(tmp_path), "--precision", "fp16"]) == 2
    assert "Z-Image-Turbo overflows in fp16: take --precision bf16 or fp32" in capsys.readouterr().err
    assert not list(tmp_path.glob("eros-*"))


def test_package_of_the_denoiser_steps_as_torch_does(turbo: Path, tmp_path: Path) -> None:
    network = network_of(open_checkpoint(turbo), DENOISER)
    axes = ranges(network.part, EngineOptions(batch=2), downscale=32)
    inputs = example_inputs(network.part, {"batch": 2, "height": 24, "width": 42, "tokens": 256})
    inputs["mask"] = (torch.arange(256) < torch.tensor([[200], [7]])).long()
    wanted = network.module(**inputs)
    path = tmp_path / "eros-denoiser" / "1" / "model.pt2"
    path.parent.mkdir(parents=True)
    compile_network(path, network, axes)
    found = PackageRunner(tmp_path / "eros-denoiser", ("next_latents",)).run(inputs)["next_latents"]
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)
