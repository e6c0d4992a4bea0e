"""Nothing that a stranger wrote commands the terminal or is taken for markup, wherever it comes out."""

import io
import json
import logging
import shutil
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from cli.console import PlainConsole
from cli.errors import UserError, print_error
from cli.main import main
from frontend.common.printable import MAX_LINE_CHARACTERS, PrintableFormatter, printable
from frontend.settings import ROOT

EVIL = "a\x1b]0;owned\x07\x9b2J\u202e\r\nb[/][red]c\x7f\udc80"
SHOWN = r"a\x1b]0;owned\x07\x9b2J\u202e\r\nb[/][red]c\x7f\udc80"


def is_harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_error_is_one_line_that_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(UserError(EVIL))
    assert capsys.readouterr().err == f"imgen: {SHOWN}\n"


def test_words_of_every_script_stay_as_they_are() -> None:
    for text in ("käse", "狐　狸", "a\u00a0b", "😀"):
        assert printable(text) == text


def test_endless_line_is_cut() -> None:
    assert len(printable("x" * 10**7)) < MAX_LINE_CHARACTERS + 50
    assert printable("x" * 10**7).endswith("… (10,000,000 characters)")


RECORDED = ["--model", "eros", "--trigger", "x", "--rights", "fictional", "--depicts", "adult"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", f"{EVIL}.safetensors", "--name", "eros", "--output", "m"],
        ["export-encoder", EVIL, "--name", "x"],
        ["verify", EVIL],
        ["character", "add", EVIL, "--lora", EVIL, *RECORDED],
        ["character", "add", "x", "--lora", EVIL, *RECORDED],
    ],
)
def test_mistake_with_a_strangers_name_is_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and is_harmless(error)


def test_argument_that_nobody_knows_is_told_harmlessly(capsys: pytest.CaptureFixture[str]) -> None:
    """As where a pattern of the shell finds more files than one."""
    with pytest.raises(SystemExit):
        main(["export", "one", EVIL, "--name", "x"])
    assert is_harmless(capsys.readouterr().err)


def test_character_file_of_a_stranger_is_left_out_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "demo" / "catalogue", tmp_path / "catalogue")
    monkeypatch.setenv("IMGEN_CATALOGUE_DIR", str(tmp_path / "catalogue"))
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "catalogue" / "characters" / "nova.yaml"
    for text in ('{"\\x1b[2Jkey": 1}', "&a [" * 20_000, '"\\x1b[2J": &x\n- *x', "a: !!python/name:os.system"):
        path.write_text(text)
        assert main(["character", "list"]) == 0
        told = capsys.readouterr()
        assert told.err.count("\n") == 1 and is_harmless(told.err) and "nova.yaml" in told.err
        assert "@aya" in told.out and "nova" not in told.out


def shown(*things: object, terminal: bool) -> str:
    file = io.StringIO()
    console = PlainConsole(
        file=file, force_terminal=terminal, color_system="standard" if terminal else None, width=200,
        markup=False, emoji=False, highlight=False,
    )  # fmt: skip
    console.print(*things)
    return file.getvalue()


@pytest.mark.parametrize("terminal", [False, True])
def test_console_shows_text_cells_and_styled_text_as_they_are(terminal: bool) -> None:
    table = Table("name")
    table.add_row(EVIL)
    for thing in (EVIL, table, Text(EVIL), Text.assemble((EVIL, "dim"))):
        text = shown(thing, terminal=terminal)
        assert "\x1b]" not in text and "\x07" not in text and "\x9b" not in text and "\u202e" not in text
        assert "[/][red]c" in text


def test_console_keeps_its_own_colours() -> None:
    assert "\x1b[32m" in shown(Text("yes", "green"), terminal=True)


def test_json_is_the_same_and_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "demo" / "catalogue", tmp_path / "catalogue")
    monkeypatch.setenv("IMGEN_CATALOGUE_DIR", str(tmp_path / "catalogue"))
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "catalogue" / "characters" / "aya.yaml"
    label = "A\x1b[2J\x9b2J\u202eya"
    text = [line for line in path.read_text().splitlines() if not line.startswith("label:")]
    path.write_text("\n".join([f"label: {json.dumps(label)}", *text]))
    assert main(["character", "list", "--json"]) == 0
    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert json.loads(printed.splitlines()[0])["label"] == label
    assert main(["character", "list"]) == 0
    assert is_harmless(capsys.readouterr().out)


def test_log_holds_lines_that_can_be_read() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "no %s", (EVIL,), None)
    assert is_harmless(PrintableFormatter("%(message)s").format(record))
