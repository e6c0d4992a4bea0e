"""FLUX.1 in files: all in one, or the transformer with its encoders and VAE beside it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from contract.families import FLUX_DEV, FLUX_SCHNELL
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.early_check import check_early
from export.checkpoints.single_file import unpack
from export.errors import ExportError
from export.forecast import forecast
from tests.export.single_flux import as_half, write_all_in_one, write_split
from tests.export.tiny_flux import save_tiny_flux

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_flux(tmp_path_factory.mktemp("flux") / "folder")


@pytest.fixture(scope="module")
def split(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return write_split(folder, tmp_path_factory.mktemp("split"))


def assert_same(found: Path, wanted: Path, tolerance: float = 0.0) -> None:
    ours, theirs = open_checkpoint(found), open_checkpoint(wanted)
    assert (ours.family, ours.diffusion) == (theirs.family, theirs.diffusion)
    for name, network in theirs.networks.items():
        state = ours.networks[name].state_dict()
        for key, value in network.state_dict().items():
            torch.testing.assert_close(state[key], value, rtol=tolerance, atol=tolerance, msg=f"{name} {key}")


@pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])
def test_all_in_one_is_the_folder_that_it_was_written_from(guided: bool, tmp_path: Path) -> None:
    folder = save_tiny_flux(tmp_path / "folder", guidance=guided)
    path = write_all_in_one(folder, tmp_path / "one.safetensors")
    unpack(path, tmp_path / "unpacked", like=folder)
    assert_same(tmp_path / "unpacked", folder)
    family = open_checkpoint(tmp_path / "unpacked").family.row
    assert family == (FLUX_DEV if guided else FLUX_SCHNELL)


def encoders(split: Mapping[str, Path]) -> list[Path]:
    return [split["t5xxl_fp16"], split["clip_l"]]


def test_files_beside_the_transformer_are_told_by_their_keys(
    folder: Path, split: Mapping[str, Path], tmp_path: Path
) -> None:
    unpack(split["flux1"], tmp_path / "new", folder, vae=split["ae"], text_encoders=encoders(split))
    assert_same(tmp_path / "new", folder)


def with_fp8(scaled: bool) -> Callable[[Tensors], Tensors]:
    """As ComfyUI stores it: the linear layers in 8 bits, perhaps with a scale each."""

    def store(state: Tensors) -> Tensors:
        found = as_half(state)
        for key, value in state.items():
            if value.ndim == 2 and key.endswith("weight") and "embed" not in key:
                scale = value.abs().max() / 448 if scaled else torch.tensor(1.0)
                found[key] = (value / scale).to(torch.float8_e4m3fn)
                if scaled:
                    found[key.replace("weight", "scale_weight")] = scale
        return found

    return store


@pytest.mark.parametrize("scaled", [True, False], ids=["scaled", "plain"])
def test_fp8_is_read_to_its_precision(scaled: bool, folder: Path, tmp_path: Path) -> None:
    path = write_all_in_one(folder, tmp_path / "one.safetensors", with_fp8(scaled))
    unpack(path, tmp_path / "unpacked", like=folder)
    assert_same(tmp_path / "unpacked", folder, tolerance=0.07)


def test_embeddings_of_t5_are_taken_from_either_name(
    folder: Path, split: Mapping[str, Path], tmp_path: Path
) -> None:
    state = load_file(split["t5xxl_fp16"])
    state["encoder.embed_tokens.weight"] = state.pop("shared.weight")
    state["spiece_model"] = torch.zeros(8, dtype=torch.uint8)
    other = tmp_path / "t5.safetensors"
    save_file(state, other)
    unpack(split["flux1"], tmp_path / "new", folder, vae=split["ae"], text_encoders=[other, split["clip_l"]])
    assert_same(tmp_path / "new", folder)


def test_what_is_lacking_is_named(split: Mapping[str, Path]) -> None:
    with pytest.raises(ExportError, match=r"lacks the text encoder clip_l; name the files .* --text-encoder"):
        check_early(split["flux1"], split["ae"])
    with pytest.raises(ExportError, match="lacks the text encoder t5xxl;"):
        check_early(split["flux1"], split["ae"], [split["clip_l"]])
    with pytest.raises(ExportError, match="has no VAE; name the file of one"):
        check_early(split["flux1"], None, encoders(split))
    check_early(split["flux1"], split["ae"], encoders(split))


def test_files_that_are_none_of_the_encoders_are_refused(split: Mapping[str, Path]) -> None:
    with pytest.raises(ExportError, match=r"ae.* is no text encoder that is published"):
        check_early(split["flux1"], split["ae"], [split["ae"]])
    with pytest.raises(ExportError, match=r"weights of its text_encoder are missing, .*: --like FOLDER"):
        unpack(split["flux1"], split["ae"].parent / "new", vae=split["ae"], text_encoders=encoders(split))


@pytest.mark.parametrize(
    ("channels", "kind"), [(128, "FLUX.1 Depth or Canny"), (384, "FLUX.1 Fill"), (96, "an edit model")]
)
def test_transformers_of_other_uses_are_refused_by_name(
    channels: int, kind: str, split: Mapping[str, Path], tmp_path: Path
) -> None:
    state = load_file(split["flux1"])
    state["img_in.weight"] = torch.zeros(len(state["img_in.weight"]), channels)
    path = tmp_path / "other.safetensors"
    save_file(state, path)
    with pytest.raises(ExportError, match=f"is {kind}.*its transformer takes {channels} channels"):
        check_early(path)


def test_forecast_counts_every_file(folder: Path, split: Mapping[str, Path], tmp_path: Path) -> None:
    whole = forecast(folder)
    path = write_all_in_one(folder, tmp_path / "one.safetensors")
    files = [
        forecast(path, like=folder),
        forecast(split["flux1"], vae=split["ae"], text_encoders=encoders(split), like=folder),
    ]
    for found in files:
        assert (found.family, found.values, found.downscale) == (whole.family, whole.values, whole.downscale)
        assert found.unpacked > 0
