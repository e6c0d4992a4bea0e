"""`imgen character` on a copy of the demo catalogue, with the real merge."""

import json
import os
import shutil
from pathlib import Path

import pytest

from cli.main import main
from frontend.catalogue.catalogue import load
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.settings import ROOT

LORA = ROOT / "demo" / "loras" / "aya.safetensors"
ADD = ("character", "add", "nova", "--lora", str(LORA), "--model", "eros", "--trigger", "nova woman")
DEPICTS = ("--depicts", "adult")
pytestmark = pytest.mark.slow  # each merge also compares itself with torch


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    lay_out(tmp_path, monkeypatch)
    return tmp_path / "catalogue"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where @nova was added once, by the real merge, which torch then compares: it takes long."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        lay_out(folder, patch)
        assert main([*ADD, *DEPICTS, "--rights", "fictional"]) == 0
    return folder


@pytest.fixture
def with_nova(catalogue: Path, template: Path) -> Path:
    """The catalogue, with a copy of all that adding @nova wrote."""
    shutil.copytree(template / "data", catalogue.parent / "data", copy_function=os.link)
    return catalogue


def lay_out(folder: Path, patch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "demo" / "catalogue", folder / "catalogue")
    shutil.copytree(ROOT / "demo" / "loras", folder / "loras")
    patch.setenv("IMGEN_CATALOGUE_DIR", str(folder / "catalogue"))
    patch.setenv("IMGEN_DATA_DIR", str(folder / "data"))


def added(catalogue: Path) -> Path:
    return catalogue.parent / "data" / "catalogue"


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def merged(catalogue: Path) -> Path:
    return catalogue.parent / "data" / "models" / "eros-denoiser--nova"


def test_character_comes_and_goes_while_the_catalogue_is_served(
    catalogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    served = LiveCatalogue(catalogue, added(catalogue))
    assert main([*ADD, *DEPICTS, "--rights", "consent:file-7", "--strength", "0.5"]) == 0
    assert "merge into eros-denoiser" in capsys.readouterr().err.splitlines()  # as where nobody sees bars
    served.refresh()
    nova = served.current.characters["nova"]
    assert (nova.trigger, nova.rights, nova.strength) == ("nova woman", "consent:file-7", 0.5)
    assert served.current.lora("nova").read_bytes() == LORA.read_bytes()
    assert json.loads((merged(catalogue) / "merge.json").read_text())["origin"]["strength"] == 0.5

    assert main(["character", "remove", "nova"]) == 0
    served.refresh()
    assert "nova" not in served.current.characters
    assert merged(catalogue).is_dir()


def test_purge_deletes_the_weights_also_after_the_removal(
    with_nova: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = with_nova
    assert main(["character", "remove", "nova"]) == 0
    assert merged(catalogue).exists() and files(added(catalogue))
    assert main(["character", "remove", "nova", "--purge"]) == 0
    assert not merged(catalogue).exists() and not files(added(catalogue))
    capsys.readouterr()
    assert main(["character", "remove", "nova", "--purge"]) == 2
    assert capsys.readouterr().err.startswith("imgen: no character nova")


@pytest.mark.parametrize("name", ["*", "../eros", "[a-z]*"])
def test_purge_takes_names_only(with_nova: Path, name: str) -> None:
    assert main(["character", "remove", name, "--purge"]) == 2
    assert merged(with_nova).exists()


def test_operators_catalogue_is_never_written_to(
    with_nova: Path, template: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    catalogue = with_nova
    before = files(catalogue)
    assert sorted(files(template / "catalogue").values()) == sorted(before.values())
    assert main(["character", "remove", "nova", "--purge"]) == 0
    capsys.readouterr()
    for command, words in (
        (["character", "remove", "aya", "--purge"], "was not added by this command"),
        (
            ["character", "add", "aya", *ADD[3:], *DEPICTS, "--rights", "fictional", "--replace"],
            "choose another name",
        ),
    ):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert words in error and str(catalogue / "characters" / "aya.yaml") in error
        assert error.count("\n") == 1
    assert files(catalogue) == before


def test_depiction_is_recorded_and_can_be_recorded_later(
    catalogue: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = added(catalogue) / "characters" / "nova.yaml"
    assert main([*ADD, "--depicts", "nonhuman", "--rights", "fictional"]) == 0
    written = file.read_text()
    assert "depicts: nonhuman\n" in written
    file.write_text(written.replace("depicts: nonhuman\n", ""))  # as earlier versions wrote it
    served = LiveCatalogue(catalogue, added(catalogue))
    assert "@nova; `imgen character set NAME" in served.current.warning
    assert caplog.text.count("@nova; `imgen character set NAME") == 1

    capsys.readouterr()
    assert main(["character", "list"]) == 0
    assert "not recorded" in capsys.readouterr().out
    assert main(["character", "set", "nova", "--depicts", "child"]) == 0
    served.refresh()
    nova = served.current.characters["nova"]
    assert (nova.depicts, nova.trigger, nova.rights) == ("child", "nova woman", "fictional")
    assert served.current.warning == ""
    assert caplog.text.count("@nova; `imgen character set NAME") == 1


@pytest.mark.parametrize(
    ("name", "words"), [("aya", "write `depicts: adult` into"), ("zoe", "no character zoe"), ("../x", "../x")]
)
def test_depiction_of_a_character_that_was_not_added_is_one_line_and_changes_nothing(
    catalogue: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    before = files(catalogue)
    assert main(["character", "set", name, "--depicts", "adult"]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert files(catalogue) == before and not added(catalogue).exists()


@pytest.mark.parametrize("given", [(), ("--depicts", "someone"), ("--depicts", "")])
def test_character_without_a_record_of_what_it_depicts_is_not_added(
    catalogue: Path, capsys: pytest.CaptureFixture[str], given: tuple[str, ...]
) -> None:
    for command in ([*ADD, "--rights", "fictional", *given], ["character", "set", "aya", *given]):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 2
        assert "--depicts" in capsys.readouterr().err.splitlines()[-1]
    assert not added(catalogue).exists()


def test_list_tells_rights_and_hashes(catalogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["character", "list", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == ["aya", "bella", "mira", "tomo"]
    assert all(
        (row["rights"], row["depicts"]) == ("fictional", "nonhuman") and len(row["lora_sha256"]) == 64
        for row in rows
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--rights", "mine"], "--rights 'mine': expected fictional, or consent:REFERENCE"),
        (["--rights", "fictional", "--model", "other"], "there is no model 'other'"),
        (["--rights", "fictional", "--lora", "none.safetensors"], "there is no file none.safetensors"),
        (["--rights", "fictional", "--lora", str(ROOT / "README.md")], "is no .safetensors file"),
        (["--rights", "fictional", "--strength", "99"], "strength"),
        (["--rights", "fictional", "--trigger", ""], "imgen: @nova: trigger: expected"),
    ],
)
def test_refusal_is_one_line_and_changes_nothing(
    catalogue: Path, capsys: pytest.CaptureFixture[str], change: list[str], message: str
) -> None:
    before = load(catalogue, added(catalogue))
    assert main([*ADD, *DEPICTS, *change]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert message in lines[0]
    assert load(catalogue, added(catalogue)) == before
    assert not merged(catalogue).exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "Nova", "", "x" * 65, "no_va", "nova-", "no--va"])
def test_names_stay_names(catalogue: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    arguments = ["character", "add", name, *ADD[3:], *DEPICTS, "--rights", "fictional"]
    assert main(arguments) == 2
    assert "must be 1 to 64 of a-z" in capsys.readouterr().err


def test_a_name_in_service_is_kept_unless_replaced(
    with_nova: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are there already, so nothing is merged anew."""
    catalogue, arguments = with_nova, [*ADD, *DEPICTS, "--rights", "fictional"]
    assert main(arguments) == 2
    assert "--replace" in capsys.readouterr().err
    assert main([*arguments, "--trigger", "nova again", "--replace"]) == 0
    assert load(catalogue, added(catalogue)).characters["nova"].trigger == "nova again"
