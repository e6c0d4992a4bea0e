"""`imgen doctor` on settings and folders that would not work."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from cli.main import main

pytestmark = pytest.mark.redis  # its server is asked for its version


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("IMGEN_DATA_DIR", str(folder))
    monkeypatch.setenv("IMGEN_PORT", "0")
    return folder


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_sound_machine_is_told_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = lines_of(capsys)
    assert not [line for line in told if line.startswith("✗")]
    assert any(line.startswith("✓ API server and commands: ") and "as locked" in line for line in told)
    assert "✓ imgen up: does not run here; `imgen up` starts it" in told


@pytest.mark.parametrize(
    ("setting", "value", "line"),
    [
        ("IMGEN_PORT", "eighty", "✗ settings: IMGEN_PORT"),
        ("IMGEN_REDIS_URL", "redis://127.0.0.1:9", "✗ stores: IMGEN_REDIS_URL: Redis does not answer"),
        ("IMGEN_ACS_URL", "http://127.0.0.1:9", "✗ acs: does not answer"),
        ("IMGEN_LLM_URL", "http://127.0.0.1:9/v1", "✗ llm: does not answer"),
        ("IMGEN_TRITON_URLS", "127.0.0.1:9", "✗ triton: does not answer"),
    ],
)
def test_what_would_not_work_is_told_with_its_setting(
    setting: str, value: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(setting, value)
    assert main(["doctor"]) == 1
    told = lines_of(capsys)
    (found,) = (each for each in told if each.startswith(line))
    assert setting in found + told[told.index(found) + 1]
    assert told[-1].startswith("1 to mend")


def test_misspelt_setting_is_told_with_the_one_that_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_WORKRES", "2")
    assert main(["doctor"]) == 0
    told = lines_of(capsys)
    at = told.index("! IMGEN_WORKRES: is no setting and has no effect")
    assert told[at + 1] == "→ perhaps IMGEN_WORKERS"


def test_folder_that_others_can_look_into_is_told(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_dir.mkdir(mode=0o755)
    data_dir.chmod(0o755)
    assert main(["doctor"]) == 0
    told = lines_of(capsys)
    assert any("other users can look into" in line and "(mode 755)" in line for line in told)


def test_broken_catalogue_is_told(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "catalogue"
    monkeypatch.setenv("IMGEN_CATALOGUE_DIR", str(folder))
    assert main(["doctor"]) == 1
    assert any(line.startswith("✗ catalogue: ") and str(folder) in line for line in lines_of(capsys))


@pytest.mark.parametrize(("triton", "status"), [(True, 0), (False, 1)])
async def test_part_that_pictures_do_without_is_nothing_to_mend(
    triton: bool, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def readyz(_: web.Request) -> web.Response:
        return web.json_response({"version": "1", "parts": {"triton": triton, "llm": False}})

    app = web.Application()
    app.router.add_get("/readyz", readyz)
    async with TestServer(app) as server:
        monkeypatch.setenv("IMGEN_PORT", str(server.port))
        assert await asyncio.to_thread(main, ["doctor"]) == status
    told = lines_of(capsys)
    assert "! llm: does not work; pictures are made without it" in told
    assert ("✓ triton: works" if triton else "✗ triton: does not work") in told
