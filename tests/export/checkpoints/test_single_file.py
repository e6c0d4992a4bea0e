import json
import re
import tempfile
from collections.abc import Callable
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
from export.families.published import CLIP_L
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
    ("said", "expected"), [({}, "epsilon"), ({"modelspec.predict_key": "v"}, "v"), ("v_pred", "v")]
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
    with pytest.raises(ExportError, match="only: --prediction v_prediction or --no-zero-snr"):
        export_checkpoint(path, "eros", tmp_path / "out", ExportOptions(like=folder))


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


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny SDXL folder and the same as one file; not to be written to."""
    folder = save_tiny(tmp_path_factory.mktemp("sdxl") / "folder", prediction="epsilon")
    return folder, write_single_file(folder, folder.parent / "one.safetensors")


def changed(path: Path, target: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, target)
    return target


def flatten(tensors: dict[str, torch.Tensor]) -> None:
    """As SD 1.5's files were before transformers nested its modules."""
    for key in [key for key in tensors if ".transformer.text_model." in key]:
        tensors[key.replace("text_model.", "")] = tensors.pop(key)


def scale_to_fp8(tensors: dict[str, torch.Tensor], name: str = "scale_weight") -> None:
    """As ComfyUI's converters do."""
    tensors["model.diffusion_model.scaled_fp8"] = torch.zeros(2, dtype=torch.float8_e4m3fn)
    for key, value in list(tensors.items()):
        if key.startswith("model.diffusion_model.") and key.endswith(".weight") and value.ndim == 2:
            scale = value.float().abs().max() / 448
            tensors[key] = (value.float() / scale).to(torch.float8_e4m3fn)
            tensors[key.removesuffix("weight") + name] = scale.reshape(1)


def scale_newly(tensors: dict[str, torch.Tensor]) -> None:
    scale_to_fp8(tensors, "weight_scale")


def test_old_names_of_the_text_encoder_are_read(whole: tuple[Path, Path], tmp_path: Path) -> None:
    folder, path = whole
    unpack(changed(path, tmp_path / "old.safetensors", flatten), tmp_path / "unpacked", like=folder)
    wanted = load_file(folder / "text_encoder" / "model.safetensors")
    found = load_file(tmp_path / "unpacked" / "text_encoder" / "model.safetensors")
    assert all(torch.equal(found[key].float(), value) for key, value in wanted.items())


@pytest.mark.parametrize("scale", [scale_to_fp8, scale_newly])
def test_scaled_fp8_is_scaled(scale, whole: tuple[Path, Path], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder, path = whole
    unpack(changed(path, tmp_path / "fp8.safetensors", scale), tmp_path / "unpacked", like=folder)
    wanted = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    found = load_file(tmp_path / "unpacked" / "unet" / "diffusion_pytorch_model.safetensors")
    for key, value in wanted.items():
        # e4m3 has three bits of mantissa, and none for what is far below the largest.
        torch.testing.assert_close(found[key].float(), value, rtol=0.07, atol=2e-3, msg=key)


def test_scale_that_is_of_no_rows_is_refused(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """Weight and scale would become their product, of the size of both."""

    def widen(tensors: dict[str, torch.Tensor]) -> None:
        scale_to_fp8(tensors)
        name = next(key for key in tensors if key.endswith("scale_weight"))
        tensors[name] = torch.ones(5)

    folder, path = whole
    with pytest.raises(ExportError, match=r"The scale of .* has \[5\] numbers, its weight"):
        unpack(changed(path, tmp_path / "fp8.safetensors", widen), tmp_path / "unpacked", like=folder)


def test_other_sizes_are_told_to_name_their_configs(whole: tuple[Path, Path], tmp_path: Path) -> None:
    """The file is a whole one, only not of the published sizes."""
    with pytest.raises(ExportError, match=r"not of the sizes of SDXL as published: .*: --like") as caught:
        export_checkpoint(whole[1], "eros", tmp_path / "out")
    assert str(whole[1]) in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def cut(*parts: str) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        for key in [key for key in tensors if any(part in key for part in parts)]:
            del tensors[key]

    return change


def not_finite(tensors: dict[str, torch.Tensor]) -> None:
    tensors["model.diffusion_model.out.2.bias"] = torch.full((4,), torch.nan)


def whole_numbers(tensors: dict[str, torch.Tensor]) -> None:
    key = "model.diffusion_model.out.2.weight"
    tensors[key] = (100 * tensors[key]).to(torch.int8)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (cut("first_stage_model."), "has no VAE; name the file of one, of the same family: --vae FILE"),
        (cut("text_projection"), "lacks its second text encoder's projection"),
        (cut("conditioner."), "is a UNet without its text encoders"),
        (cut("model.diffusion_model.", "conditioner."), "is a VAE; --vae takes it"),
        (cut("middle_block"), "is not whole, or not of the sizes"),
        (cut("output_blocks.1"), "is not whole, or not of the sizes"),
        (cut("decoder.mid"), "is not whole, or not of the sizes"),
        (cut("transformer.text_model.encoder.layers.1.mlp"), "is not whole, or not of the sizes"),
        (cut("resblocks.2.attn"), "is not whole, or not of the sizes"),
        (not_finite, "holds values that are not finite numbers, in conv_out.bias"),
        (whole_numbers, "holds whole numbers as weights, in conv_out.weight"),
    ],
)
def test_file_that_is_not_whole_is_one_line_and_leaves_nothing(
    change: Callable[[dict[str, torch.Tensor]], None],
    reason: str,
    whole: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, path = whole
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    bad = changed(path, tmp_path / "bad.safetensors", change)
    with pytest.raises(ExportError, match=reason) as caught:
        export_checkpoint(bad, "eros", tmp_path / "out", ExportOptions(like=folder))
    line = str(caught.value)
    assert line.startswith(str(bad)) and "\n" not in line and len(line) < 500
    assert not re.search("[0-9a-f]{64}", line)
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["bad.safetensors", "temporary"]


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
