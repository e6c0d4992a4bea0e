"""Real Tritons for tests, each started once for the whole run.

Imports of the server's packages are late: parts' tests load this file in environments of their own.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
RESIDENT_MB = 3  # two of the toy model's characters


@dataclass(frozen=True)
class RunningTriton:
    url: str
    pid: int
    log: Path

    def count(self, text: str) -> int:
        """Lines of the log that hold `text`."""
        return sum(text in line for line in self.log.read_text().splitlines())


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from embedded.part import python_of

    folder = tmp_path_factory.mktemp("tiny")
    subprocess.run([python_of("triton"), str(ROOT / "tests" / "tiny_models.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def demo_repositories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The demo model and its character aya; IMGEN_TEST_MODELS names other repositories to test instead."""
    from embedded.part import python_of

    if "IMGEN_TEST_MODELS" in os.environ:
        return [Path(item) for item in os.environ["IMGEN_TEST_MODELS"].split(os.pathsep) if item]
    merged = tmp_path_factory.mktemp("characters")
    command = [python_of("triton"), "-m", "export.character", str(DEMO / "loras" / "aya.safetensors")]
    options = ["--name", "aya", "--model", "eros", "--repository", str(DEMO / "models")]
    subprocess.run([*command, *options, "--output", str(merged)], check=True, cwd=ROOT)
    return [DEMO / "models", merged]


@pytest.fixture(scope="session")
def triton(tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTriton]:
    """Serves the toy model, with room for two of its three characters."""
    with serving_triton([tiny_repository], tmp_path_factory.mktemp("triton"), RESIDENT_MB) as running:
        yield running


@pytest.fixture(scope="session")
def demo_triton(
    demo_repositories: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    """Serves the demo catalogue's model."""
    with serving_triton(demo_repositories, tmp_path_factory.mktemp("demo_triton")) as running:
        yield running


@pytest.fixture(scope="session")
def banked_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests write other factors into it, and put the first ones back."""
    from embedded.part import python_of

    folder = tmp_path_factory.mktemp("banked")
    command = [python_of("triton"), "-m", "tests.banked_models", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


@pytest.fixture(scope="session")
def banked_triton(
    banked_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    with serving_triton([banked_repository], tmp_path_factory.mktemp("banked_triton")) as running:
        yield running


@contextlib.contextmanager
def serving_triton(
    repositories: Sequence[Path], folder: Path, resident_mb: int | None = None
) -> Iterator[RunningTriton]:
    from embedded.part import start, stop
    from embedded.shared_memory import remove_shared_memory
    from embedded.triton import triton_part

    part = triton_part(data_dir=folder, repositories=repositories, resident_mb=resident_mb, threads=1)
    with asyncio.Runner() as runner:
        process = runner.run(start(part, folder))
        yield RunningTriton(part.url, process.pid, folder / "triton.log")
        runner.run(stop(part, process))
    remove_shared_memory(folder)
