"""A model is added to a system that draws, drawn with and removed; the command is killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from embedded.part import python_of
from embedded.processes import processes
from frontend.settings import ROOT
from tests.system.running import PATIENCE_S, System, alive, children_of, running

LONG_S = 900.0  # an export beside pictures, on a busy machine
TRITON = "tritonserver"
MAKE = """
import sys
from pathlib import Path
from tests.export.tiny import save_tiny, save_tiny_sd15
save_tiny(Path(sys.argv[1]) / "sdxl", "epsilon")
save_tiny_sd15(Path(sys.argv[1]) / "sd15")
"""


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny random ones, written by diffusers."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make = [python_of("export"), "-W", "ignore", "-c", MAKE, str(folder)]
    subprocess.run(make, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return folder


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with running(tmp_path_factory.mktemp("models"), "--no-llm") as system:
        yield system


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "model", *arguments]


def environment(system: System) -> Mapping[str, str]:
    return {**os.environ, **system.environment, "PYTHONPATH": str(ROOT)}


def model(system: System, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`imgen model`, typed in that folder."""
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": LONG_S}
    return subprocess.run(command(*arguments), cwd=folder, env=environment(system), **options)


def kill_at(system: System, words: str, *arguments: str) -> None:
    """Ends the command with SIGKILL once it has said these words."""
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command(*arguments), cwd=ROOT, env=environment(system), **options) as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if words in line:
                break
        assert words in said[-1], said
        below = children_of(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    until(lambda: not alive(below))  # the exporter ends with it


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def offered(system: System) -> dict[str, Any]:
    models: dict[str, Any] = system.post({"action": "models"})["models"]
    return models


def order(system: System, **fields: Any) -> str:
    answer = system.post({"action": "generate", "prompt": "a red car", "width": 512, "height": 512, **fields})
    return str(answer["id"])


def test_killed_command_leaves_nothing_in_service_and_given_again_goes_on(
    system: System, checkpoints: Path, tmp_path: Path
) -> None:
    add = ("add", str(checkpoints / "sd15"), "--name", "mine", "--label", "My own", "--steps", "2")
    job = order(system)
    for words in ("denoiser (3 of 6)", "loading mine-denoiser"):
        kill_at(system, words, *add)
        assert list(offered(system)) == ["eros"]
        assert not (system.folder / "catalogue" / "models").exists()
    assert system.until_final(job)["status"] == "COMPLETED"  # what was under way was not disturbed

    done = model(system, tmp_path, *add, "-o", "first.png")
    assert done.returncode == 0, done.stderr
    assert "where a client names no model, eros is drawn with as before" in done.stdout
    next_one = done.stdout.strip().splitlines()[-1]
    assert "imgen generate 'a lighthouse on a cliff at sunset' --model mine" in next_one
    with Image.open(tmp_path / "first.png") as picture:
        assert picture.format == "PNG"
    assert list(offered(system)) == ["eros", "mine"] and offered(system)["mine"]["label"] == "My own"
    drawn = system.until_final(order(system, model="mine", style="photograph"))
    assert (drawn["status"], drawn["meta"]["model"], drawn["meta"]["steps"]) == ("COMPLETED", "mine", 2)
    assert requests.get(drawn["meta"]["images"][0]["url"], timeout=30).status_code == 200
    assert system.until_final(order(system))["meta"]["model"] == "eros"

    (triton,) = (pid for pid, name, _, _ in processes() if pid in children_of(system.pid) and name == TRITON)
    os.kill(triton, signal.SIGKILL)  # what starts it again knows of the model
    assert system.until_final(order(system, model="mine", seed=7))["status"] == "COMPLETED"

    again = model(system, tmp_path, *add)
    assert again.returncode == 2 and again.stderr.count("\n") == 1
    assert "there is a model mine (" in again.stderr and "`imgen model remove mine` first" in again.stderr
    listed = model(system, tmp_path, "list", "--json")
    rows = {row["name"]: row for row in map(json.loads, listed.stdout.splitlines())}
    assert {name: row["offered"] for name, row in rows.items()} == {"eros": True, "mine": True}
    assert (rows["mine"]["family"], rows["eros"]["default"]) == ("SD 1.5", True)


def test_model_is_removed_when_the_jobs_that_wait_for_it_are_drawn(system: System, tmp_path: Path) -> None:
    """After the test before."""
    jobs = [order(system, model="mine", seed=number) for number in range(40)]  # more than are drawn at once
    done = model(system, tmp_path, "remove", "mine")
    assert done.returncode == 0, done.stderr
    assert "mine is not offered any more; " in done.stderr and "its weights are deleted" in done.stderr
    states = [system.post({"action": "status", "id": job}) for job in jobs]
    ended = [system.until_final(job)["status"] for job in jobs]
    assert ended == ["COMPLETED"] * len(jobs), states
    assert list(offered(system)) == ["eros"]
    assert not [path for path in (system.folder / "models").iterdir() if "mine" in path.name]
    # As the API says of a name that is not known.
    assert system.until_final(order(system, model="mine"))["meta"]["model"] == "eros"


def test_another_kind_of_model_takes_the_name_and_the_place_of_the_default_one(
    system: System, checkpoints: Path, tmp_path: Path
) -> None:
    add = ("add", str(checkpoints / "sdxl"), "--name", "mine", "--steps", "2", "--no-picture")
    done = model(system, tmp_path, *add, "--default", "--style", "ink=ink drawing, -colour")
    assert done.returncode == 0, done.stderr
    assert "where a client names no model, mine is drawn with" in done.stdout
    assert list(offered(system)) == ["mine", "eros"]
    drawn = system.until_final(order(system))
    assert (drawn["meta"]["model"], drawn["meta"]["style"]) == ("mine", "ink")
    refused = model(system, tmp_path, "remove", "mine")
    assert refused.returncode == 2 and "give another one a lower `order:` first (eros)" in refused.stderr
    entry = system.folder / "catalogue" / "models" / "mine.yaml"
    entry.write_text(entry.read_text().replace("order: 0", "order: 50"))
    until(lambda: list(offered(system)) == ["eros", "mine"])
    assert model(system, tmp_path, "remove", "mine").returncode == 0
    assert list(offered(system)) == ["eros"]
