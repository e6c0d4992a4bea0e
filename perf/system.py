"""A whole system for a benchmark: what `imgen up` starts, on a data folder of its own, and a client of it."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from cli.instance import Instance
from frontend.settings import ROOT

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
POLL_S = 0.01
PATIENCE_S = 120.0


class BenchError(Exception):
    """One line: what is missing or went wrong."""


class _Started(msgspec.Struct, frozen=True):
    """The line that `imgen up --detach` prints."""

    url: str
    key: str
    pid: int


@dataclass(frozen=True)
class Drawn:
    meta: Mapping[str, Any]  # of the API's answer
    seconds: float  # from `generate` sent to COMPLETED seen


@dataclass(frozen=True)
class System:
    url: str
    key: str
    pid: int  # of the supervisor
    http: aiohttp.ClientSession

    async def call(self, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.key}"}
        async with self.http.post(f"{self.url}/api/v2", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json()
            if response.status != 200:
                raise BenchError(f"{body['action']}: {answer.get('error')}")
            return answer

    async def draw(self, prompt: str, due_s: float = 0.0, **fields: Any) -> Drawn:
        """One picture, as a client that polls fast sees it. Raises BenchError where none comes.

        `due_s`: no poll before; each takes milliseconds from the drawing where both share the processor.
        """
        began = time.perf_counter()
        job = await self.call({"action": "generate", "prompt": prompt, **fields})
        await asyncio.sleep(due_s)
        meta = await self.wait_for(job["id"])
        return Drawn(meta, time.perf_counter() - began)

    async def wait_for(
        self, job: str, *, poll_s: float = POLL_S, patience_s: float = PATIENCE_S
    ) -> Mapping[str, Any]:
        """The meta of the job's picture. Raises BenchError where none comes."""
        began = time.perf_counter()
        while (state := await self.call({"action": "status", "id": job}))["status"] not in FINAL:
            if time.perf_counter() - began > patience_s:
                raise BenchError(f"no picture within {patience_s:.0f} s")
            await asyncio.sleep(poll_s)
        if state["status"] != "COMPLETED" or "meta" not in state:
            raise BenchError(f"no picture: {state.get('error', state['status'])}")
        meta: Mapping[str, Any] = state["meta"]
        return meta

    async def download(self, drawn: Drawn) -> bytes:
        async with self.http.get(drawn.meta["images"][0]["url"]) as response:
            response.raise_for_status()
            return await response.read()


@contextlib.asynccontextmanager
async def system_up(folder: Path, environ: Mapping[str, str], root: Path = ROOT) -> AsyncIterator[System]:
    """`imgen up --no-llm` of the checkout `root` on a free port; `environ` is added to ours.

    Raises BenchError.
    """
    environ = {**os.environ, "IMGEN_PORT": "0", "IMGEN_DATA_DIR": str(folder), **environ}
    line = await _imgen("up", "--detach", "--no-llm", environ=environ, root=root)
    started = msgspec.json.decode(line, type=_Started)
    try:
        async with aiohttp.ClientSession() as http:
            yield System(started.url, started.key, started.pid, http)
    finally:
        await _imgen("down", environ=environ, root=root)
        assert Instance(folder).holder() is None


async def _imgen(*arguments: str, environ: Mapping[str, str], root: Path) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", *arguments),
        cwd=root,
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode:
        reason = errors.decode(errors="replace").strip().splitlines() or ["ended without a word"]
        raise BenchError(reason[-1])
    return output
