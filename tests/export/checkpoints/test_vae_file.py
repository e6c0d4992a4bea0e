"""`--vae`: the same VAE from every kind of file that people have it in."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.early_check import check_early
from export.checkpoints.single_file import replace_vae, unpack
from export.errors import ExportError
from tests.export.single import write_single_file
from tests.export.tiny import save_tiny

WEIGHTS = "diffusion_pytorch_model.safetensors"
PREFIX = "first_stage_model."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint, the same as one file, and that file without its VAE; not to be written to."""
    made = save_tiny(tmp_path_factory.mktemp("vae") / "folder", prediction="epsilon")
    path = write_single_file(made, made.parent / "whole.safetensors")
    tensors = {key: value for key, value in load_file(path).items() if not key.startswith(PREFIX)}
    save_file(tensors, made.parent / "bare.safetensors")
    return made


def whole(folder: Path, path: Path) -> Path:
    return folder.parent / "whole.safetensors"


def stability(folder: Path, path: Path, begin: str = "") -> Path:
    tensors = load_file(folder.parent / "whole.safetensors")
    save_file({begin + k.removeprefix(PREFIX): v for k, v in tensors.items() if k.startswith(PREFIX)}, path)
    return path


def prefixed(folder: Path, path: Path) -> Path:
    return stability(folder, path, PREFIX)


def of_diffusers(folder: Path, path: Path) -> Path:
    return folder / "vae" / WEIGHTS


def of_old_diffusers(folder: Path, path: Path) -> Path:
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for key, value in load_file(folder / "vae" / WEIGHTS).items():
        for new, name in old.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{name}.")
        tensors[key] = value
    save_file(tensors, path)
    return path


def vae_folder(folder: Path, path: Path) -> Path:
    return folder / "vae"


def checkpoint_folder(folder: Path, path: Path) -> Path:
    return folder


@pytest.mark.parametrize(
    "vae", [whole, stability, prefixed, of_diffusers, of_old_diffusers, vae_folder, checkpoint_folder]
)
def test_vae_of_another_file_takes_the_missing_ones_place(
    vae: Callable[[Path, Path], Path], folder: Path, tmp_path: Path
) -> None:
    bare, given = folder.parent / "bare.safetensors", vae(folder, tmp_path / "vae.safetensors")
    unpack(bare, tmp_path / "unpacked", like=folder, vae=given)
    wanted = load_file(folder / "vae" / WEIGHTS)
    found = load_file(tmp_path / "unpacked" / "vae" / WEIGHTS)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key].float(), value) for key, value in wanted.items())


def test_vae_that_is_named_wins_over_the_files_own(folder: Path, tmp_path: Path) -> None:
    other = stability(folder, tmp_path / "vae.safetensors")
    tensors = {key: value + 1 for key, value in load_file(other).items()}
    save_file(tensors, other)
    unpack(folder.parent / "whole.safetensors", tmp_path / "unpacked", like=folder, vae=other)
    found = load_file(tmp_path / "unpacked" / "vae" / WEIGHTS)
    assert torch.equal(found["decoder.conv_out.bias"], tensors["decoder.conv_out.bias"])


@pytest.mark.parametrize("named", [True, False])
def test_folder_without_a_vae_asks_for_one_and_takes_it(named: bool, folder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(folder, tmp_path / "bare"))
    shutil.rmtree(bare / "vae")
    if not named:
        index = json.loads((bare / "model_index.json").read_text())
        (bare / "model_index.json").write_text(json.dumps({**index, "vae": [None, None]}))
    with pytest.raises(ExportError, match=f"{bare} has no VAE; name the file of one, .*: --vae FILE"):
        check_early(bare)
    check_early(bare, folder / "vae")
    (tmp_path / "made").mkdir()
    replace_vae(bare, tmp_path / "made", folder / "vae")
    wanted, found = open_checkpoint(folder), open_checkpoint(tmp_path / "made")
    for name, network in wanted.networks.items():
        state = found.networks[name].state_dict()
        assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


def test_vae_of_another_family_is_refused_by_its_scale(folder: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(folder / "vae", tmp_path / "vae"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "scaling_factor": 0.18215}))
    with pytest.raises(ExportError, match=r"is the VAE of another family: its scaling_factor is 0\.18215"):
        unpack(folder.parent / "bare.safetensors", tmp_path / "unpacked", like=folder, vae=other)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: {"quant_conv.weight": tensors["quant_conv.weight"]}, "is no VAE: it has no decoder"),
        (
            lambda tensors: {**tensors, "decoder.conv_in.weight": torch.zeros(16, 16, 3, 3)},
            "is not whole, or not",
        ),
    ],
)
def test_vae_that_does_not_fit_is_blamed_itself(change, reason: str, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = stability(folder, tmp_path / "vae.safetensors")
    save_file(change(load_file(path)), path)
    with pytest.raises(ExportError, match=f"{path} {reason}"):
        unpack(folder.parent / "bare.safetensors", tmp_path / "unpacked", like=folder, vae=path)
