"""The merged networks beside torch, as `imgen character add` compares them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import save_file

from export.character import main, merge_character
from export.errors import ExportError
from export.lora.strength import Strength, strength_of_options
from export.model import export_checkpoint
from export.parity.character import compare_character
from tests.export.loras import ALPHA, RANK, TARGETS, peft_state, save_diffusers, save_kohya, with_lora
from tests.export.tiny import save_tiny_sd15

State = dict[str, torch.Tensor]
Save = Callable[[State, Path], Path]


@pytest.fixture(scope="module")
def state(tiny_folder: Path) -> State:
    return peft_state(with_lora(UNet2DConditionModel.from_pretrained(tiny_folder / "unet"), seed=1))


def save_peft(state: State, path: Path) -> Path:
    save_file({f"base_model.model.{key}": value for key, value in state.items()}, path)
    LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=TARGETS).save_pretrained(str(path.parent))
    return path


@pytest.mark.parametrize("save", [save_kohya, save_diffusers, save_peft])
@pytest.mark.parametrize(
    "strength", [Strength(), Strength(0.7, {"unet.up_blocks": 0.5, "unet.up_blocks.0": 0.0})]
)
def test_merged_character_draws_as_torch_does(
    save: Save, strength: Strength, state: State, repository: Path, tmp_path: Path
) -> None:
    path = save(state, tmp_path / "lora.safetensors")
    merged = tmp_path / "merged"
    merge_character(repository / "eros-denoiser", path, merged / "eros-denoiser--aya", strength)
    report = compare_character(path, strength, "eros", repository, merged, tmp_path / "report")
    assert report.failure is None
    assert json.loads((tmp_path / "report" / "report.json").read_text())["passed"]
    other = compare_character(path, Strength(0.2), "eros", repository, merged, tmp_path / "report")
    assert other.failure is not None and other.failure.startswith("the denoiser's mean error")


def test_sd15_takes_loras_too(tmp_path: Path) -> None:
    folder = save_tiny_sd15(tmp_path / "tiny")
    export_checkpoint(folder, "eros", tmp_path / "repository")
    unet = with_lora(UNet2DConditionModel.from_pretrained(folder / "unet"), seed=2)
    path = save_kohya(peft_state(unet), tmp_path / "lora.safetensors")
    merged = tmp_path / "merged"
    merge_character(tmp_path / "repository" / "eros-denoiser", path, merged / "eros-denoiser--aya")
    report = compare_character(path, Strength(), "eros", tmp_path / "repository", merged, tmp_path / "report")
    assert report.failure is None


def command(repository: Path, lora: Path, output: Path) -> list[str]:
    options = ["--name", "aya", "--model", "eros", "--repository", str(repository), "--output", str(output)]
    return [str(lora), *options, "--compare"]


def test_command_publishes_what_torch_draws_alike(state: State, repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(command(repository, save_kohya(state, tmp_path / "lora.safetensors"), out)) == 0
    report = json.loads((out / ".reports" / "eros-denoiser--aya" / "report.json").read_text())
    assert report["passed"]
    assert json.loads((out / "eros-denoiser--aya" / "merge.json").read_text())["compared"]


def test_command_publishes_nothing_that_torch_draws_differently(
    state: State, repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The decoder's graph shows every picture as its negative, and torch's does not."""
    shutil.copytree(repository, tmp_path / "repository")
    path = tmp_path / "repository" / "eros-decoder" / "1" / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    (picture,) = (output.name for output in model.graph.output)
    for node in model.graph.node:
        node.output[:] = ["positive" if name == picture else name for name in node.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.uint8(255), "white"))
    model.graph.node.append(onnx.helper.make_node("Sub", ["white", "positive"], [picture]))
    onnx.save(model, path)
    lora = save_kohya(state, tmp_path / "lora.safetensors")
    assert main(command(tmp_path / "repository", lora, tmp_path / "out")) == 2
    error = capsys.readouterr().err
    assert error.startswith("export: aya does not draw as torch does: the decoder's")
    assert not list((tmp_path / "out").glob("eros-*"))


def test_block_that_the_lora_does_not_change_is_refused(
    state: State, repository: Path, tmp_path: Path
) -> None:
    path = save_kohya(state, tmp_path / "lora.safetensors")
    wrong = strength_of_options(1.0, ["unet.up_block.1=0.5"])
    with pytest.raises(
        ExportError, match=r"changes nothing in the block unet\.up_block\.1; it changes unet\.add"
    ):
        merge_character(repository / "eros-denoiser", path, tmp_path / "eros-denoiser--aya", wrong)
    assert not (tmp_path / "eros-denoiser--aya").exists()


@pytest.mark.parametrize("text", ["unet.up_blocks", "=1", "unet=big", "unet=nan", "unet=11"])
def test_block_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(ExportError):
        strength_of_options(1.0, [text])


@pytest.mark.parametrize("damage", ["truncated", "huge header", "text"])
def test_broken_lora_is_one_line(damage: str, state: State, repository: Path, tmp_path: Path) -> None:
    path = save_kohya(state, tmp_path / "lora.safetensors")
    data = path.read_bytes()
    broken = {
        "truncated": data[:-20],
        "huge header": (1 << 40).to_bytes(8, "little") + data[8:],
        "text": b"<html>not found</html>",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(ExportError, match=r"Cannot read lora\.safetensors") as caught:
        merge_character(repository / "eros-denoiser", path, tmp_path / "eros-denoiser--aya")
    assert "\n" not in str(caught.value)
