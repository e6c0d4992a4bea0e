"""Networks that torch compiles ahead of time, on the CPU, through the export command."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from export.__main__ import main
from export.character import merge_character
from export.checkpoints.checkpoint import Checkpoint
from export.engines.inductor import PackageRunner, describe_builder, ranges
from export.engines.package import add_character_package
from export.engines.recipe import EngineOptions
from export.errors import ExportError
from export.graphs.storage import engine_digest
from export.lora.strength import Strength
from export.networks.networks import networks_of
from export.networks.trace import example_inputs
from export.parity.character import compare_character
from tests.export.loras import peft_state, save_kohya, with_lora

PARTS = ("decoder", "denoiser", "text-encoder")


@pytest.fixture(scope="module")
def packaged(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as packages, for batches up to 4."""
    folder = tmp_path_factory.mktemp("packaged")
    options = ["--engine", "inductor", "--batch", "4"]
    assert main([str(tiny_folder), "--name", "eros", "--output", str(folder), *options]) == 0
    return folder


@pytest.fixture(scope="module")
def lora(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    unet = with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1)
    return save_kohya(peft_state(unet), tmp_path_factory.mktemp("lora") / "lora.safetensors")


@pytest.mark.parametrize(
    ("batch", "height", "width", "tokens"), [(1, 2, 2, 77), (1, 24, 42, 308), (3, 8, 10, 77), (4, 6, 4, 231)]
)
def test_one_package_makes_torchs_step_at_every_size_batch_and_prompt(
    packaged: Path, tiny: Checkpoint, batch: int, height: int, width: int, tokens: int
) -> None:
    network = next(one for one in networks_of(tiny) if one.part.name == "denoiser")
    sizes = {"batch": batch, "height": height, "width": width, "tokens": tokens}
    inputs = example_inputs(network.part, sizes)
    with torch.no_grad():
        wanted = network.module(**inputs)
    found = PackageRunner(packaged / "eros-denoiser", ("next_latents",)).run(inputs)["next_latents"]
    assert found.shape == wanted.shape and float((found - wanted).abs().max()) < 1e-4


def test_packages_draw_torchs_pictures(packaged: Path) -> None:
    report = json.loads((packaged / ".reports" / "eros" / "report.json").read_text())
    assert report["passed"] and set(report["parts"]) == set(PARTS) and report["remarks"] == []
    assert report["limit"]["psnr"] == 50


def test_triton_is_told_of_backend_and_batch(packaged: Path) -> None:
    configs = {part: (packaged / f"eros-{part}" / "config.pbtxt").read_text() for part in PARTS}
    assert all('backend: "inductor"' in text for text in configs.values())
    assert "max_batch_size: 4\n" in configs["denoiser"]
    assert "max_batch_size: 8\n" in configs["text-encoder"]  # two prompts of four windows at once


def test_record_says_what_the_package_is_for_and_takes(packaged: Path) -> None:
    record = json.loads((packaged / "eros-denoiser" / "package.json").read_text())
    assert record["torch"] == torch.__version__.partition("+")[0]
    assert record["axes"]["batch"] == {"least": 1, "most": 4, "step": 1}
    assert record["axes"]["tokens"] == {"least": 77, "most": 308, "step": 77}
    assert record["inputs"]["latents"] == {"dtype": "float32", "dims": ["batch", 4, "height", "width"]}
    hashes = json.loads((packaged / "eros-denoiser" / "weights.json").read_text())
    assert hashes["engine"] == engine_digest(packaged / "eros-denoiser")


def test_character_takes_the_package_and_draws_as_torch_with_the_lora_does(
    packaged: Path, lora: Path, tmp_path: Path
) -> None:
    base, target = packaged / "eros-denoiser", tmp_path / "merged" / "eros-denoiser--aya"
    merge_character(base, lora, target)
    assert (target / "1" / "model.pt2").read_bytes() == (base / "1" / "model.pt2").read_bytes()
    report = compare_character(lora, Strength(), "eros", packaged, target.parent, tmp_path / "report")
    assert report.failure is None
    assert json.loads((target / "weights.json").read_text())["engine"] == engine_digest(target)
    assert engine_digest(target) != engine_digest(base)
    assert (target / "1" / "weights.safetensors").stat().st_mode & 0o044 == 0o044


def test_characters_weights_have_torchs_names_and_shapes(
    packaged: Path, tiny: Checkpoint, lora: Path, tmp_path: Path
) -> None:
    target = tmp_path / "eros-denoiser--aya"
    merge_character(packaged / "eros-denoiser", lora, target)
    network = next(one for one in networks_of(tiny) if one.part.name == "denoiser")
    held = dict(network.module.named_parameters())
    weights = load_file(target / "1" / "weights.safetensors")
    assert weights and all(held[name].shape == value.shape for name, value in weights.items())
    assert all(value.dtype == torch.float32 for value in weights.values())


def test_character_without_its_weights_is_found_out(packaged: Path, lora: Path, tmp_path: Path) -> None:
    """The comparison runs what is served: the base's package alone is not the character."""
    target = tmp_path / "merged" / "eros-denoiser--aya"
    merge_character(packaged / "eros-denoiser", lora, target)
    (target / "1" / "weights.safetensors").unlink()
    report = compare_character(lora, Strength(), "eros", packaged, target.parent, tmp_path / "report")
    assert report.failure is not None and report.failure.startswith("the denoiser's mean error")


def test_torn_record_is_refused(packaged: Path, lora: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(packaged, tmp_path / "torn")) / "eros-denoiser"
    (base / "package.json").write_text("{}")
    (tmp_path / "new" / "1").mkdir(parents=True)
    with pytest.raises(ExportError, match=r"package.json cannot be read: export the model again"):
        add_character_package(tmp_path / "new", base, [])


def test_host_without_a_compiler_is_refused_in_one_line(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    given = [str(tiny_folder), "--name", "eros", "--output", str(tmp_path / "out"), "--engine", "inductor"]
    assert main(given) == 2
    assert "needs a C++ compiler" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_package_depends_on_is_named() -> None:
    assert set(describe_builder()) == {"torch", "device", "gpu", "cpu"}


def test_sides_are_those_of_the_apis_sizes(tiny: Checkpoint) -> None:
    denoiser = next(one.part for one in networks_of(tiny) if one.part.name == "denoiser")
    assert ranges(denoiser, EngineOptions(), 8)["height"] == (8, 168, 8)
    assert ranges(denoiser, EngineOptions(), 32)["width"] == (2, 42, 2)
