import hashlib
import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch

from export.__main__ import main
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint, view_exported
from export.errors import ExportError
from export.graphs.storage import load_model, save_model, store_fp16
from export.model import export_checkpoint

PARTS = ["eros-decoder", "eros-denoiser", "eros-text-encoder"]


def files_of(folder: Path) -> dict[str, bytes]:
    """Of the models: without reports and the keys of finished stages."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "export.json" and not {".reports", ".eros.work"} & set(path.parts)
    }


def test_repository_holds_what_triton_and_text_to_image_read(repository: Path) -> None:
    assert sorted(path.name for path in repository.iterdir() if path.name[0] != ".") == PARTS
    names = set(files_of(repository))
    assert {f"{part}/{file}" for part in PARTS for file in ("1/model.onnx", "config.pbtxt")} <= names
    assert "eros-text-encoder/tokenizer/tokenizer.json" in names
    assert "eros-text-encoder/tokenizer_2/tokenizer.json" in names
    assert not [name for name in names if name.endswith(".tmp")]


def test_denoiser_comes_with_its_hash(repository: Path) -> None:
    graph = (repository / "eros-denoiser" / "1" / "model.onnx").read_bytes()
    hashes = json.loads((repository / "eros-denoiser" / "weights.json").read_text())
    assert hashes == {"engine": hashlib.sha256(graph).hexdigest()}


def test_pipeline_says_what_the_graphs_cannot(repository: Path) -> None:
    assert json.loads((repository / "eros-denoiser" / "pipeline.json").read_text()) == {
        "format": 1,
        "family": "sdxl",
        "prediction": "flow",
        "sigmas": {"kind": "flow", "shift": 3.0},
        "latent_channels": 4,
        "downscale": 32,
        "pad_token": 16,
        "pad_token_2": 0,
        "token_window": 77,
        "embedding_widths": [32, 64],
    }


def test_graphs_are_valid_onnx(repository: Path) -> None:
    for part in PARTS:
        onnx.checker.check_model(onnx.load(repository / part / "1" / "model.onnx"), full_check=True)


def test_repository_restored_and_exported_again_is_the_same_to_the_byte(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Export is deterministic, and the repository needs no second copy of its weights to be made again."""
    restored = restore_checkpoint(repository, "eros", tmp_path / "restored")
    assert main([str(restored), "--name", "eros", "--output", str(tmp_path / "again")]) == 0
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "again" / part) for part in PARTS]
    wanted = files_of(repository)
    for part in PARTS:
        model = load_model(repository / part / "1" / "model.onnx")
        store_fp16(model)
        save_model(model, tmp_path / "fp16" / part)
        wanted[f"{part}/1/model.onnx"] = (tmp_path / "fp16" / part / "model.onnx").read_bytes()
    digest = hashlib.sha256(wanted["eros-denoiser/1/model.onnx"]).hexdigest()
    wanted["eros-denoiser/weights.json"] = (json.dumps({"engine": digest}, indent=2) + "\n").encode()
    assert files_of(tmp_path / "again") == wanted


def test_export_that_fails_in_the_middle_changes_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    """The UNet's time ids do not fit its own layer, which shows when it is traced, after the text encoder."""
    broken = Path(shutil.copytree(tiny_folder, tmp_path / "broken"))
    config = broken / "unet" / "config.json"
    config.write_text(
        config.read_text().replace('"addition_time_embed_dim": 8', '"addition_time_embed_dim": 16')
    )
    output = tmp_path / "repository"
    (output / "eros-text-encoder").mkdir(parents=True)
    (output / "eros-text-encoder" / "config.pbtxt").write_text("old")
    with pytest.raises(ExportError, match="The denoiser cannot be traced: ") as caught:
        export_checkpoint(broken, "eros", output)
    assert "\n" not in str(caught.value)
    assert files_of(output) == {"eros-text-encoder/config.pbtxt": b"old"}


@pytest.mark.parametrize("one_file_bytes", [0, 1 << 30])
def test_restored_view_has_the_weights_of_the_restored_folder(
    repository: Path, tmp_path: Path, one_file_bytes: int
) -> None:
    views = Path(shutil.copytree(repository, tmp_path / "views"))
    for part in PARTS:
        save_model(load_model(views / part / "1" / "model.onnx"), views / part / "1", {}, one_file_bytes)
    wanted = open_checkpoint(restore_checkpoint(repository, "eros", tmp_path / "restored"))
    (tmp_path / "scratch").mkdir()
    found = view_exported(views, "eros", tmp_path / "scratch")
    for name in ("text_encoder", "text_encoder_2", "unet", "vae"):
        one, other = found.networks[name].state_dict(), wanted.networks[name].state_dict()
        assert one.keys() == other.keys()
        assert all((one[key] == other[key]).all() for key in one)
    tokens = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        encoded = [each.networks["text_encoder"](tokens).last_hidden_state for each in (found, wanted)]
    assert (encoded[0] == encoded[1]).all()


def test_restore_needs_what_the_exporter_wrote(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="only what this exporter wrote can be restored"):
        restore_checkpoint(repository, "other", tmp_path / "restored")
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), "--name", "eros", "--output", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("export: ")
    assert not (tmp_path / "out").exists()
