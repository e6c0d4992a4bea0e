"""The command line's own manners: help with examples, one line of error, exit code 2."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cli.instance import Instance
from cli.main import COMMANDS, main
from frontend.common.version import version_and_revision
from frontend.settings import ROOT, load
from tests.characters import add_characters

IPV6 = Path("/proc/net/if_inet6")


@pytest.mark.parametrize(
    "command", [module.__name__.rpartition(".")[2].replace("_", "-") for module in COMMANDS]
)
def test_every_command_has_help_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"imgen {command}" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["keys", "list"], "nothing runs on"),
        (["generate", "a tree"], "nothing runs on"),
        (
            ["generate", "a tree", "--url", "ftp://x"],
            "ftp://x (--url or IMGEN_URL): expected http:// or https://",
        ),
        (["generate", "a tree", "--url", "http://localhost:1"], "http://localhost:1 needs a key"),
        (
            ["generate", "a tree", "--url", "http://127.0.0.1:1", "--key", "k", "-o", "x.bmp"],
            "x.bmp: expected a name",
        ),
        (
            ["generate", "a tree", "--url", "http://127.0.0.1:1", "--key", "k", "--size", "100x100"],
            "--size 100x100: expected one of 1344x768, 1024x1024, ",
        ),
        (["generate", "a", "cat", "--url", "http://x", "--key", "k"], "put the prompt in quotes: imgen"),
        (["export-encoder", "no-such-folder", "--name", "x"], "there is no folder no-such-folder"),
        (["export", "no-such-folder", "--name", "eros", "--output", "m"], "there is no checkpoint no-such"),
        (["generate", "a tree", "--url", "http://127.0.0.1:1", "--key", "k"], "does not answer"),
        (["serve"], "IMGEN_REDIS_URL is not set"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path / "data"))
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("imgen: ")
    assert message in error
    assert error.count("\n") == 1


def test_bad_setting_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_PORT", "many")
    assert main(["up"]) == 2
    assert capsys.readouterr().err == "imgen: IMGEN_PORT: expected int, got 'many'\n"


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("127.0.0.1", socket.AF_INET),
        pytest.param(
            "::1",
            socket.AF_INET6,
            marks=pytest.mark.skipif(not IPV6.exists(), reason="no IPv6 on this machine"),
        ),
    ],
)
def test_taken_port_is_told(
    host: str,
    family: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server((host, 0), family=family) as holder:
        port = holder.getsockname()[1]
        monkeypatch.setenv("IMGEN_HOST", host)
        monkeypatch.setenv("IMGEN_PORT", str(port))
        monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
        assert main(["up"]) == 2
    assert f"cannot listen on {host}:{port}: Address already in use" in capsys.readouterr().err


def test_host_that_does_not_exist_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_HOST", "192.0.2.7")
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    assert main(["up"]) == 2
    assert "cannot listen on 192.0.2.7:8080" in capsys.readouterr().err


def test_up_names_the_characters_of_which_nobody_recorded_what_they_depict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_characters(tmp_path)
    monkeypatch.setenv("IMGEN_HOST", "192.0.2.7")  # as far as it goes without starting anything
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    assert main(["up"]) == 2
    (line, _) = capsys.readouterr().err.splitlines()
    assert "nobody has recorded what they depict: @sam; `imgen character set NAME" in line


@pytest.mark.parametrize("command", ["up", "down"])
def test_data_folder_that_cannot_be_is_told(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", "/proc/x")
    monkeypatch.setenv("IMGEN_PORT", "0")
    code, printed = main([command]), capsys.readouterr()
    words = {"up": "imgen: cannot use /proc/x (", "down": "nothing runs on /proc/x"}[command]
    assert (code, f"{printed.err}{printed.out}".startswith(words)) == ({"up": 2, "down": 0}[command], True)


def test_data_folder_that_others_could_look_into_is_closed_with_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    monkeypatch.setenv("IMGEN_DATA_DIR", str(folder))
    monkeypatch.setenv("IMGEN_HOST", "192.0.2.7")  # so that nothing starts
    expected = f"imgen: other users could look into {folder} (mode 755); now it is yours alone (mode 700)"
    for told in ([expected], []):
        assert main(["up"]) == 2
        assert [line for line in capsys.readouterr().err.splitlines() if "other users" in line] == told
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("owner", ["ours", "another's"])
def test_data_folder_that_others_may_have_filled_is_refused(
    owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    if owner == "ours":
        folder.chmod(0o1777)
    elif os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        pytest.skip("only root can give a folder away")
    monkeypatch.setenv("IMGEN_DATA_DIR", str(folder))
    before = folder.stat().st_mode
    assert main(["up"]) == 2
    refused = f"imgen: {folder} is not yours alone: other users may write there; name another folder in "
    assert capsys.readouterr().err == f"{refused}IMGEN_DATA_DIR\n"
    assert folder.stat().st_mode == before and list(folder.iterdir()) == []


def test_port_of_a_triton_that_is_not_started_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("IMGEN_TRITON_URLS", "gpu1:8001")
    assert main(["up", "--triton-port", "8001"]) == 2
    assert "--triton-port: no Triton is started here" in capsys.readouterr().err


def test_key_that_would_go_in_plain_text_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("IMGEN_ACS_URL", "http://acs.example:9000")
    monkeypatch.setenv("IMGEN_ACS_KEY", "harbour-key")
    assert main(["up"]) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("imgen: IMGEN_ACS_KEY: would be sent to acs.example in plain text")
    assert "harbour-key" not in printed and printed.count("\n") == 1


@pytest.mark.parametrize("options", [[], ["--detach"]])
def test_second_up_says_so_before_anything_else(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    instance = Instance(tmp_path)
    instance.prepare()
    lock = instance.hold()
    with socket.create_server(("127.0.0.1", 0)) as holder:
        monkeypatch.setenv("IMGEN_PORT", str(holder.getsockname()[1]))
        assert main(["up", *options]) == 2
    os.close(lock)
    assert capsys.readouterr().err.startswith(f"imgen: already running on {tmp_path}")


def test_data_folder_is_the_same_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load({}).data_dir == ROOT / ".imgen"


def test_reader_that_stops_reading_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cli.main", "character", "list", "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_lines_are_not_wrapped_where_no_terminal_reads_them() -> None:
    command = [sys.executable, "-m", "cli.main", "character", "list"]
    narrow = {**os.environ, "COLUMNS": "40"}
    done = subprocess.run(
        command, cwd=ROOT, env=narrow, capture_output=True, text=True, timeout=60, check=True
    )
    row = next(line for line in done.stdout.splitlines() if "@aya" in line)
    assert "Aya" in row and "fictional" in row and len(row) > 40


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"imgen {version_and_revision()}\n"


@pytest.mark.parametrize("verb", ["create", "set", "rotate", "disable"])
def test_verbs_of_keys_say_what_they_miss(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["keys", verb])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"usage: imgen keys {verb} [-h]" in error and "arguments are required: name\n" in error


def test_down_with_nothing_running_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    assert main(["down"]) == 0
    assert capsys.readouterr().out.startswith("nothing runs on")
