"""Programs that wait, beside the server that they ask: in a thread, or in a process of their own."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from frontend.settings import ROOT
from imgen_client import Client

T = TypeVar("T")
PACKAGE = ROOT / "clients" / "python"


async def with_client(url: str, key: str, use: Callable[[Client], T], patience_s: float = 30.0) -> T:
    """What `use` makes of a client, in a thread."""

    def run() -> T:
        with Client(url, key, patience_s=patience_s, poll_s=0.05) as client:
            return use(client)

    return await asyncio.to_thread(run)


async def output_of(program: str, folder: Path, **environment: str) -> str:
    (folder / "program.py").write_text(program)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "program.py"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, said.decode() + complained.decode()
    return said.decode()
