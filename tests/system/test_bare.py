"""`imgen up` as a service or cron starts it: a user without a home, hardly an environment, another disk."""

import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests

from frontend.settings import ROOT
from tests.embedded import moved_python
from tests.small_disk import SmallDisk, small_disk
from tests.system.running import FINAL, PATIENCE_S, Announced

NOBODY = 65534  # whose home does not exist
MIB = 256


def is_for_all(path: Path) -> bool:
    """Whether every user may read what lies in this folder."""
    wanted = stat.S_IROTH | stat.S_IXOTH
    return all(folder.stat().st_mode & wanted == wanted for folder in (path, *path.parents))


@dataclass(frozen=True)
class Bare:
    python: Path
    disk: SmallDisk

    def imgen(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.python), "-m", "cli.main", *arguments],
            env={"PATH": "/usr/bin:/bin", "IMGEN_DATA_DIR": str(self.disk.folder), "IMGEN_PORT": "0"},
            cwd=ROOT,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def bare() -> Iterator[Bare]:
    """With a Python as uv installs it, since the one that runs the tests may be for its owner alone."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    if not moved_python.CAN_BE_MOVED or not is_for_all(ROOT):
        pytest.skip("another user can run neither this Python nor a copy of it here")
    folder = Path(tempfile.mkdtemp())
    try:
        folder.chmod(0o755)
        moved_python.install(folder / "pythons")
        python = moved_python.make_environment(folder / "venv", folder / "pythons")
        with small_disk(folder / "data", MIB, owner=NOBODY) as disk:
            yield Bare(python, disk)
    finally:
        shutil.rmtree(folder)


def until_ready(url: str) -> None:
    until(url, lambda answer: answer.status_code == 200)


def until_storage_fails(url: str) -> requests.Response:
    """Not just any part: on a full disk Redis may fail before."""
    return until(url, lambda answer: "storage" in answer.json()["reasons"])


def until(url: str, wanted: Callable[[requests.Response], bool]) -> requests.Response:
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(answer := requests.get(f"{url}/readyz", timeout=10)):
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
    return answer


def test_system_serves_and_tells_of_its_full_disk(bare: Bare) -> None:
    said = bare.imgen("up", "--detach", "--no-llm").strip().splitlines()[-1]
    try:
        serving = msgspec.json.decode(said, type=Announced)
        output = bare.disk.folder / "picture.jpg"
        bare.imgen("generate", "a red car on the beach", "-o", str(output), "--size", "1024x1024")
        assert output.read_bytes()[:2] == b"\xff\xd8"
        until_ready(serving.url)
        bare.disk.fill()
        told = until_storage_fails(serving.url)
        assert told.status_code == 503
        assert told.json()["reasons"]["storage"].startswith("IMGEN_DATA_DIR: no picture can be stored there")
        bare.disk.free()
        until_ready(serving.url)
        assert finished(serving) == "COMPLETED"
    finally:
        bare.imgen("down")


def finished(serving: Announced) -> str:
    def post(body: dict[str, str]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {serving.key}"}
        return dict(requests.post(f"{serving.url}/api/v2", json=body, headers=headers, timeout=30).json())

    job = post({"action": "generate", "prompt": "a white rabbit in the forest"})["id"]
    deadline = time.monotonic() + PATIENCE_S
    while (state := post({"action": "status", "id": job}))["status"] not in FINAL:
        assert time.monotonic() < deadline, state
        time.sleep(0.2)
    return str(state["status"])
