"""`imgen model` where no server runs, as far as no torch is needed; tests/system/test_model.py does all."""

import json
import shutil
from pathlib import Path

import pytest

from cli.main import main
from frontend.catalogue.catalogue import load
from frontend.settings import ROOT

PARTS = ("text-encoder", "denoiser", "decoder")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder, beside the demo's catalogue and repository."""
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.safetensors").write_bytes(b"GGUF, not what its name says")
    return tmp_path / "data"


def exported(data: Path, name: str) -> None:
    for part in PARTS:
        shutil.copytree(ROOT / "demo" / "models" / f"eros-{part}", data / "models" / f"{name}-{part}")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.safetensors", "--name", "mine"], "there is no none.safetensors"),
        (["file.safetensors", "--name", "eros"], "there is a model eros ("),
        (["file.safetensors", "--name", "Eros!"], "the name 'Eros!' must be 1 to 64 of a-z"),
        (["file.safetensors", "--name", "mine"], "Cannot read file.safetensors: it is GGUF, whose weights"),
        (["file.safetensors", "--name", "mine", "--style", "neon"], "--style neon: expected one of plain, "),
        (["file.safetensors", "--name", "mine", "--style", "My Ink=ink"], "expected a name of 1 to 64"),
        (["file.safetensors", "--name", "mine", "--steps", "0"], "model mine: steps: expected"),
        (["file.safetensors", "--name", "mine", "-o", "x.bmp"], "x.bmp: expected a name that ends in"),
        ([".", "--name", "mine"], "is no diffusers checkpoint"),
    ],
)
def test_what_cannot_be_added_is_one_line_and_nothing_is_written(
    data: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "add", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1 and words in told.err
    assert files(data) in ([], ["catalogue", "logs"])


def test_triton_of_ones_own_is_no_place_to_add_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_TRITON_URLS", "gpu1:8001")
    assert main(["model", "add", "file.safetensors", "--name", "mine"]) == 2
    assert "`imgen export file.safetensors --name mine --output REPOSITORY`" in capsys.readouterr().err


def test_models_are_listed_and_what_a_killed_command_left_goes(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(data, "mine")
    assert main(["model", "list", "--json"]) == 0
    rows = {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert rows["eros"]["default"] and rows["eros"]["offered"] is None
    assert rows["mine"]["family"] == "SDXL" and "`imgen model add` goes on" in rows["mine"]["fault"]
    assert main(["model"]) == 0
    table = capsys.readouterr().out
    assert "`imgen up` offers it, the default" in table and "not in the catalogue" in table
    assert main(["model", "remove", "mine"]) == 0
    assert "jobs that wait for it will fail" in capsys.readouterr().err
    assert list((data / "models").iterdir()) == []
    assert main(["model", "remove", "mine"]) == 2
    assert "no model mine; there are: eros" in capsys.readouterr().err


def test_model_that_belongs_to_the_operator_or_that_characters_need_stays(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["model", "remove", "eros"]) == 2
    assert "was not added by this command" in capsys.readouterr().err
    exported(data, "mine")
    entry = data / "catalogue" / "models" / "mine.yaml"
    entry.parent.mkdir(parents=True)
    shutil.copy(ROOT / "demo" / "catalogue" / "models" / "eros.yaml", entry)
    character = data / "catalogue" / "characters" / "nova.yaml"
    character.parent.mkdir()
    character.write_text(
        "label: Nova\nmodels: [mine]\ntrigger: x\nlora: x\nrights: fictional\ndepicts: nonhuman\n"
    )
    assert main(["model", "remove", "mine"]) == 2
    assert "remove them first: `imgen character remove nova`" in capsys.readouterr().err
    assert "mine" in load(data / "catalogue").models and (data / "models" / "mine-denoiser").is_dir()
