import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig

from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.single_file import unpack
from export.checkpoints.tokenizer import open_tokenizer
from export.errors import ExportError
from export.families.stable_diffusion import CLIP_L
from export.model import ExportOptions, export_checkpoint
from tests.export.single import write_single_file
from tests.export.test_model import files_of
from tests.export.tiny import save_tiny, save_tiny_sd15


@pytest.mark.parametrize("save", [save_tiny, save_tiny_sd15])
def test_unpacked_file_has_the_weights_of_the_folder_that_it_was_written_from(save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = save(tmp_path / "folder", prediction="epsilon")
    unpack(write_single_file(folder, tmp_path / "one.safetensors"), tmp_path / "unpacked", like=folder)
    wanted, found = open_checkpoint(folder), open_checkpoint(tmp_path / "unpacked")
    assert (found.family, found.diffusion) == (wanted.family, wanted.diffusion)
    for name, network in wanted.networks.items():
        state = found.networks[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(state[key], value), key


def test_single_file_is_exported_as_its_folder_is(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "folder", prediction="epsilon")
    path = write_single_file(folder, tmp_path / "one.safetensors")
    export_checkpoint(path, "eros", tmp_path / "single", ExportOptions(like=folder))
    export_checkpoint(folder, "eros", tmp_path / "whole")
    wanted, found = files_of(tmp_path / "whole"), files_of(tmp_path / "single")
    assert {name for name in found if "checkpoint/" not in name} == {
        name for name in wanted if "checkpoint/" not in name
    }
    for name in wanted:
        if name.endswith(("model.onnx", "config.pbtxt", "pipeline.json")):
            assert found[name] == wanted[name], name


@pytest.mark.parametrize(
    ("said", "expected"), [({}, "epsilon"), ({"modelspec.prediction_type": "v"}, "v"), ("v_pred", "v")]
)
def test_prediction_is_read_where_the_file_says_it(said, expected: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = save_tiny(tmp_path / "folder", prediction="epsilon")
    path = write_single_file(folder, tmp_path / "one.safetensors", said if isinstance(said, dict) else None)
    if isinstance(said, str):
        save_file({**load_file(path), said: torch.zeros(0)}, path)
    unpack(path, tmp_path / "unpacked", like=folder)
    assert open_checkpoint(tmp_path / "unpacked").diffusion.prediction == expected


@pytest.mark.parametrize(
    ("save", "marks", "sigmas"),
    [
        (save_tiny_sd15, ["v_pred"], {"spacing": "leading"}),
        (save_tiny, ["v_pred", "ztsnr"], {"spacing": "trailing", "zero_snr": True}),
    ],
)
def test_file_marked_as_published_ones_are_draws_as_torch_does(  # type: ignore[no-untyped-def]
    save, marks: list[str], sigmas: dict[str, object], tmp_path: Path
) -> None:
    """Every export compares itself with torch; the marks are empty tensors, as published files have them."""
    folder = save(tmp_path / "folder", prediction="epsilon")
    path = write_single_file(folder, tmp_path / "one.safetensors")
    save_file({**load_file(path), **{mark: torch.zeros(0) for mark in marks}}, path)
    export_checkpoint(path, "eros", tmp_path / "out", ExportOptions(like=folder))
    description = json.loads((tmp_path / "out" / "eros-denoiser" / "pipeline.json").read_text())
    assert description["prediction"] == "v"
    assert {**description["sigmas"], **sigmas} == description["sigmas"]
    report = json.loads((tmp_path / "out" / ".reports" / "eros" / "report.json").read_text())
    assert report["passed"] and len(report["pictures"]) == 4


def test_zero_snr_without_v_prediction_is_refused(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "folder", prediction="epsilon")
    path = write_single_file(folder, tmp_path / "one.safetensors")
    save_file({**load_file(path), "ztsnr": torch.zeros(0)}, path)
    with pytest.raises(ExportError, match="goes with v prediction only"):
        export_checkpoint(path, "eros", tmp_path / "out", ExportOptions(like=folder))


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("cond_stage_model.model.ln_final.weight", "is Stable Diffusion 2"),
        ("conditioner.embedders.0.model.ln_final.weight", "is the SDXL refiner"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "is FLUX"),
        ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", "is a LoRA"),
        ("other", "is no SDXL or SD 1.5 checkpoint"),
    ],
)
def test_another_kind_of_file_is_refused_by_name(key: str, reason: str, tmp_path: Path) -> None:
    save_file({key: torch.zeros(2)}, tmp_path / "one.safetensors")
    with pytest.raises(ExportError, match=reason):
        unpack(tmp_path / "one.safetensors", tmp_path / "unpacked")


@pytest.mark.parametrize("damage", ["truncated", "huge header", "text", "empty"])
def test_broken_file_is_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    save_file({"cond_stage_model.transformer.x": torch.zeros(64)}, path)
    data = path.read_bytes()
    broken = {
        "truncated": data[:-20],
        "huge header": (1 << 40).to_bytes(8, "little") + data[8:],
        "text": b"<html>not found</html>",
        "empty": b"",
    }
    path.write_bytes(broken[damage])
    with pytest.raises(ExportError, match="Cannot read ") as caught:
        export_checkpoint(path, "eros", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not [path for path in (tmp_path / "out").glob("*") if path.name[0] != "."]


def test_half_a_checkpoint_is_refused(tmp_path: Path) -> None:
    folder = save_tiny_sd15(tmp_path / "folder")
    path = write_single_file(folder, tmp_path / "one.safetensors")
    tensors = {name: value for name, value in load_file(path).items() if "middle_block" not in name}
    save_file(tensors, path)
    with pytest.raises(ExportError):
        export_checkpoint(path, "eros", tmp_path / "out", ExportOptions(like=folder))


def test_clip_tokenizer_comes_along(tmp_path: Path) -> None:
    """Against ids that CLIP's own tokenizer is documented to give."""
    write_clip_tokenizer(tmp_path / "tokenizer", "!")
    made = open_tokenizer(tmp_path / "tokenizer", CLIPTextConfig(**CLIP_L))
    assert made.tokenizer.encode("a photo of a cat").ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert (made.pad, made.window) == (0, 77)
