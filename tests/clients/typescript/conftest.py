import asyncio
import fcntl
import os
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from frontend.settings import ROOT
from tests import npm
from tests.api.conftest import server
from tests.programs import needs

__all__ = ["server"]

PACKAGE = ROOT / "clients" / "typescript"
PROGRAMS = Path(__file__).with_name("programs")
Run = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def package() -> Path:
    """The built package."""
    modules = npm.installed(PACKAGE)
    with (PACKAGE / "tsconfig.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        subprocess.run([needs("node"), modules / ".bin" / "tsc"], cwd=PACKAGE, check=True, timeout=300)
    return PACKAGE


@pytest.fixture
def run(package: Path, tmp_path: Path) -> Run:
    """Runs a program in a folder in which the package is installed, and gives what it prints."""
    (tmp_path / "node_modules").mkdir()
    os.symlink(package, tmp_path / "node_modules" / "imgen-client")

    async def run(program: str, **environment: str) -> str:
        text = (PROGRAMS / program).read_text() if program.endswith(".mjs") else program
        (tmp_path / "program.mjs").write_text(text)
        process = await asyncio.create_subprocess_exec(
            needs("node"),
            "program.mjs",
            cwd=tmp_path,
            env={**os.environ, **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await process.communicate()
        assert process.returncode == 0, said.decode() + complained.decode()
        return said.decode()

    return run
