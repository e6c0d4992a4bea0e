"""From a checkpoint to its first picture: `imgen export`, and then exactly what it prints."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import requests
from PIL import Image

from cli.welcome import imgen_command
from embedded.part import python_of
from frontend.settings import ROOT
from tests.system.running import Announced, imgen

PATIENCE_S = 900


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """With a small checkpoint in it; what was started on its data folder is stopped."""
    folder = tmp_path_factory.mktemp("first")
    restore = [python_of("export"), "-m", "export.checkpoints.restore", str(ROOT / "demo" / "models")]
    subprocess.run([*restore, "--name", "eros", "--output", str(folder / "checkpoint")], cwd=ROOT, check=True)
    yield folder
    imgen({"IMGEN_DATA_DIR": str(folder / "a data folder")}, "down")


def as_typed(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """In a shell, in another folder than the export was run in, without the settings that it was given."""
    ours = f"PYTHONPATH={ROOT} {sys.executable} -m cli.main"  # of this checkout, whoever installed the other
    clean = {name: value for name, value in os.environ.items() if not name.startswith("IMGEN_")}
    return subprocess.run(
        line.replace(imgen_command(), ours),
        shell=True,
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_printed_commands_draw_the_first_picture_and_the_checkout_stays_as_it_is(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "demo").rglob("*") if path.is_file()}
    settings = {"IMGEN_DATA_DIR": str(folder / "a data folder"), "IMGEN_PORT": "0"}
    export = [sys.executable, "-m", "cli.main", "export", str(folder / "checkpoint"), "--name", "mine"]
    done = subprocess.run(
        export, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    up, draw = (line.strip() for line in done.stdout.strip().splitlines()[-2:])
    started = as_typed(up, folder)
    assert started.returncode == 0, started.stderr
    drawn = as_typed(draw, folder)
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(folder / "mine.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (1344, 768))
    served = msgspec.json.decode(started.stdout.strip().splitlines()[-1], type=Announced)
    told = requests.post(
        f"{served.url}/api/v2",
        json={"action": "models"},
        headers={"Authorization": f"Bearer {served.key}"},
        timeout=30,
    ).json()
    assert list(told["models"]) == ["eros", "mine"]  # the demo's is there as before
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "demo").rglob("*") if path.is_file()} == before

    wrong = as_typed(draw.replace("--model mine", "--model mein"), folder)
    assert wrong.returncode == 2
    assert "expected one of eros, mine; `imgen model add CHECKPOINT --name NAME` adds one" in wrong.stderr
    nobody = as_typed(draw.replace("a lighthouse", "@nobody a lighthouse"), folder)
    assert nobody.returncode == 2 and "this model's characters: none" in nobody.stderr
    assert "`imgen character add NAME" in nobody.stderr
