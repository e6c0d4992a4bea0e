"""The command line's own manners: help with examples, one line of error, exit code 2."""

import socket
from pathlib import Path

import pytest

from cli.main import COMMANDS, main

IPV6 = Path("/proc/net/if_inet6")


@pytest.mark.parametrize("command", [module.__name__.rpartition(".")[2] for module in COMMANDS])
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
        (["keys", "create"], "usage: imgen keys create NAME"),
        (["keys", "list"], "nothing runs on"),
        (["generate", "a tree"], "nothing runs on"),
        (["generate", "a tree", "--url", "ftp://x"], "--url ftp://x: expected http:// or https://"),
        (["generate", "a tree", "--url", "http://localhost:1"], "--url needs a key"),
        (
            ["generate", "a tree", "--url", "http://127.0.0.1:1", "--key", "k", "-o", "x.bmp"],
            "x.bmp: expected a name",
        ),
        (
            ["generate", "a tree", "--url", "http://127.0.0.1:1", "--key", "k", "--size", "big"],
            "--size big: expected",
        ),
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


def test_down_with_nothing_running_is_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    assert main(["down"]) == 0
    assert capsys.readouterr().out.startswith("nothing runs on")
