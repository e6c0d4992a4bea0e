"""The system as a user runs it: `imgen up` in a process of its own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import requests

from frontend.settings import ROOT

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
PATIENCE_S = 180.0


class Announced(msgspec.Struct, frozen=True):
    url: str
    key: str
    pid: int


@dataclass(frozen=True)
class System:
    url: str
    key: str
    pid: int
    folder: Path
    environment: Mapping[str, str]

    def send(self, body: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.post(f"{self.url}/api/v2", json=body, headers=headers, timeout=30)

    def post(self, body: Any) -> Any:
        return self.send(body).json()

    def until_final(self, job_id: str) -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.post({"action": "status", "id": job_id}))["status"] not in FINAL:
            assert time.monotonic() < deadline, state
            time.sleep(0.2)
        return state

    def imgen(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return imgen(self.environment, *arguments)


def imgen(environment: Mapping[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )


def start(folder: Path, *options: str, **more: str) -> System:
    environment = {"IMGEN_DATA_DIR": str(folder), "IMGEN_PORT": "0", **more}
    started = imgen(environment, "up", "--detach", *options)
    assert started.returncode == 0, started.stderr
    announced = msgspec.json.decode(started.stdout.strip().splitlines()[-1], type=Announced)
    return System(announced.url, announced.key, announced.pid, folder, environment)


def stop(system: System) -> None:
    stopped = system.imgen("down")
    assert stopped.returncode == 0, stopped.stderr


@contextlib.contextmanager
def running(folder: Path, *options: str, **more: str) -> Iterator[System]:
    system = start(folder, *options, **more)
    try:
        yield system
    finally:
        stop(system)


def children_of(pid: int) -> set[int]:
    """Every living process below `pid`."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if fields[0] != "Z":
                    parents[int(entry.name)] = int(fields[1])
    found: set[int] = set()
    front = {pid}
    while front := {child for child, parent in parents.items() if parent in front} - found:
        found |= front
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that run; zombies do not count."""
    living = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                living.add(pid)
    return living
