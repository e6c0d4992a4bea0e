"""What an export says at its end. tests/system/test_first_picture.py types it."""

import shutil
from pathlib import Path

import pytest

from cli.first_picture import first_picture
from frontend.catalogue.catalogue import load
from frontend.settings import ROOT, Settings


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """A repository with a model `mine`."""
    for part in ("text-encoder", "denoiser", "decoder"):
        shutil.copytree(ROOT / "demo" / "models" / f"eros-{part}", tmp_path / "models" / f"mine-{part}")
    return tmp_path / "models"


def test_entry_memory_and_two_commands_are_told(tmp_path: Path, output: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", catalogue_dir=tmp_path / "none", memory_mb=10_000)
    words = first_picture(settings, "mine", output)
    assert f"catalogue entry: {tmp_path}/data/catalogue/models/mine.yaml (30 steps, guidance 6; " in words
    assert "memory: about 0.9 GiB for its largest picture; there is 9.8 GiB\n" in words
    up, draw = words.strip().splitlines()[-2:]
    assert f"IMGEN_MODELS_DIR={output}" in up and up.endswith("imgen up --detach")
    assert "IMGEN_MODELS_DIR" not in draw and " --model mine -o mine.png" in draw
    assert list(load(tmp_path / "data" / "catalogue").models) == ["mine"]


def test_entry_says_how_characters_are_drawn_with_and_one_that_says_otherwise_is_told(
    tmp_path: Path, output: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", catalogue_dir=tmp_path / "none")
    bank = output / "mine-denoiser" / "bank.json"
    bank.write_text("{}")
    words = first_picture(settings, "mine", output)
    assert load(tmp_path / "data" / "catalogue").models["mine"].adapters == "bank" and "kind" not in words
    bank.unlink()
    words = first_picture(settings, "mine", output)
    assert "it says `adapters: bank`, and this export is of the other kind: write merged\n" in words


def test_too_little_memory_is_told_beforehand(tmp_path: Path, output: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", catalogue_dir=tmp_path / "none", memory_mb=500)
    words = first_picture(settings, "mine", output)
    assert (
        "there is 0.5 GiB; orders of 1344x768, 1024x1024, 768x1344," in words and "will be refused" in words
    )


def test_entry_of_the_operator_stays(tmp_path: Path, output: Path) -> None:
    own = tmp_path / "own" / "models" / "mine.yaml"
    own.parent.mkdir(parents=True)
    shutil.copy(ROOT / "demo" / "catalogue" / "models" / "eros.yaml", own)
    settings = Settings(data_dir=tmp_path / "data", catalogue_dir=tmp_path / "own")
    assert f"catalogue entry: {own} (10 steps, guidance 2; " in first_picture(settings, "mine", output)
    assert not (tmp_path / "data" / "catalogue").exists()
