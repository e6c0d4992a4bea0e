"""A contender's process: started on a free port, watched for its memory, ended with all that it started."""

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

from frontend.settings import ROOT
from perf.processes import descendants, proportional_mib
from perf.system import BenchError

START_S = 600.0
SAMPLE_S = 0.5
GONE = (FileNotFoundError, ProcessLookupError, PermissionError, StopIteration)


@contextlib.asynccontextmanager
async def server_process(
    command: Sequence[str],
    ready_url: str,
    log: Path,
    environment: Mapping[str, str],
    http: aiohttp.ClientSession,
) -> AsyncIterator[int]:
    """Its pid, once `ready_url` answers 200. Raises BenchError, with the last line of its log."""
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **environment},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        await _wait_until_ready(process, ready_url, log, http)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def _wait_until_ready(
    process: asyncio.subprocess.Process, url: str, log: Path, http: aiohttp.ClientSession
) -> None:
    deadline = asyncio.get_running_loop().time() + START_S
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(url, timeout=aiohttp.ClientTimeout(total=5)) as response:
                if response.status == 200:
                    return
        await asyncio.sleep(0.2)
    why = "did not start" if process.returncode is None else f"ended with {process.returncode}"
    raise BenchError(f"{why}: {last_line(log)}")


def last_line(log: Path) -> str:
    """Of an exception's words the first, where there are some: what follows is advice."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*Error: ", line)]
    return (errors[:1] or lines[-1:] or ["it said nothing"])[0][:300]


class PeakMemory:
    """The most that a process and all below it took together, GiB; mapped files count."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.gib = 0.0

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            self._sample()

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self._sample)
            await asyncio.sleep(SAMPLE_S)

    def _sample(self) -> None:
        total = 0.0
        for pid in {self._pid} | descendants(self._pid):
            with contextlib.suppress(*GONE):  # it ended meanwhile
                total += proportional_mib(pid)
        self.gib = max(self.gib, total / 1024)
