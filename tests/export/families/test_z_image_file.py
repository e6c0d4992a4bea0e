"""Z-Image in the files that it is published in: transformer, text encoder and VAE apart, or all in one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from export.checkpoints.early_check import check_early, family_of_checkpoint
from export.checkpoints.single_file import unpack
from export.errors import ExportError
from export.families.published import PUBLISHED
from export.families.z_image import FAMILY
from export.forecast import forecast
from export.model import ExportOptions, export_checkpoint
from tests.export.tiny_z_image import save_split, save_tiny_z_image


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whose configs and tokenizer the tiny files have."""
    return save_tiny_z_image(tmp_path_factory.mktemp("like") / "z-image")


def weights_of(folder: Path) -> Mapping[str, torch.Tensor]:
    found: Mapping[str, torch.Tensor] = load_file(next(folder.glob("*.safetensors")))
    return found


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."], ids=["bare", "prefixed"])
def test_split_files_hold_the_folders_weights(prefix: str, tiny: Path, tmp_path: Path) -> None:
    files = save_split(tmp_path / "files", prefix)
    made = tmp_path / "made"
    unpack(files["transformer"], made, like=tiny, vae=files["vae"], text_encoders=[files["text_encoder"]])
    for network in FAMILY.networks:
        wanted, found = weights_of(tiny / network), weights_of(made / network)
        assert wanted.keys() <= found.keys() | {key for key in wanted if "encoder." in key}
        for key in found:
            torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=0)
    index = json.loads((made / "model_index.json").read_text())
    assert index["_class_name"] == "ZImagePipeline"
    assert family_of_checkpoint(made).name == "z_image_turbo"  # by the file's name


def test_all_in_one_is_split(tiny: Path, tmp_path: Path) -> None:
    files = save_split(tmp_path / "files", "model.diffusion_model.")
    state = load_file(files["transformer"])
    state |= {
        f"text_encoders.qwen3_4b.transformer.{key}": value
        for key, value in load_file(files["text_encoder"]).items()
    }
    state |= {f"vae.{key}": value for key, value in load_file(files["vae"]).items()}
    save_file(state, tmp_path / "z-image-aio.safetensors")
    unpack(tmp_path / "z-image-aio.safetensors", tmp_path / "made", like=tiny)
    assert family_of_checkpoint(tmp_path / "made").name == "z_image"
    for network in FAMILY.networks:
        wanted, found = weights_of(tiny / network), weights_of(tmp_path / "made" / network)
        for key in found:
            torch.testing.assert_close(found[key], wanted[key], rtol=0, atol=0)


def test_tokenizer_comes_along_where_no_folder_brings_one(tmp_path: Path, tiny: Path) -> None:
    files = save_split(tmp_path / "files")
    for network in FAMILY.networks:
        (tmp_path / "like" / network).mkdir(parents=True)
        (tmp_path / "like" / network / "config.json").write_bytes(
            (tiny / network / "config.json").read_bytes()
        )
    unpack(
        files["transformer"],
        tmp_path / "made",
        like=tmp_path / "like",
        vae=files["vae"],
        text_encoders=[files["text_encoder"]],
    )
    tokenizer = json.loads((tmp_path / "made" / "tokenizer" / "tokenizer.json").read_text())
    assert len(tokenizer["model"]["vocab"]) == 151_643


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("text_encoder", "lacks the text encoder qwen3_4b; name the files"),
        ("vae", "has no VAE; name the file"),
    ],
)
def test_what_is_missing_is_told_at_once(lacking: str, words: str, tmp_path: Path) -> None:
    files = save_split(tmp_path)
    given = {name: path for name, path in files.items() if name != lacking}
    with pytest.raises(ExportError, match=words):
        check_early(
            files["transformer"],
            given.get("vae"),
            [given["text_encoder"]] if "text_encoder" in given else [],
        )


def test_model_of_files_is_that_of_the_folder(tmp_path: Path) -> None:
    folder, models = save_tiny_z_image(tmp_path / "z-image-turbo"), tmp_path / "models"
    files = save_split(tmp_path / "files")
    apart = ExportOptions(like=folder, vae=files["vae"], text_encoders=(files["text_encoder"],))
    export_checkpoint(folder, "one", models, ExportOptions())
    export_checkpoint(files["transformer"], "two", models, apart)
    for file in ("text-encoder/1/model.onnx", "denoiser/1/model.onnx", "denoiser/pipeline.json"):
        assert (models / f"one-{file}").read_bytes() == (models / f"two-{file}").read_bytes()


def test_forecast_counts_all_files(tmp_path: Path) -> None:
    files = save_split(tmp_path)
    told = forecast(files["transformer"], vae=files["vae"], text_encoders=[files["text_encoder"]])
    counted = sum(value.numel() for value in load_file(files["text_encoder"]).values())
    assert told.family.title == "Z-Image-Turbo" and told.values["text-encoder"] == counted
    assert told.values["denoiser"] == sum(one.numel() for one in load_file(files["transformer"]).values())


def test_published_configs_make_the_published_networks() -> None:
    """By shapes alone."""
    counts = {
        name: sum(weight.numel() for weight in FAMILY.empty_network(name, config).parameters())
        for name, config in PUBLISHED["z_image"].items()
    }
    assert counts["transformer"] == 6_154_908_736
    assert counts["text_encoder"] == 4_022_468_096
