import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest

from embedded.child import child

SLEEP = "import time; time.sleep(600)"
# Starts a process that outlives it, tells both ids, and waits.
PARENT = (
    "import os, subprocess, sys, time;"
    f"process = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
    "print(os.getpid(), process.pid, flush=True); time.sleep(600)"
)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_answer_and_exit_code_are_read() -> None:
    async with child(sys.executable, "-c", "print('done')", stdout=asyncio.subprocess.PIPE) as process:
        output, _ = await process.communicate()
    assert (output, process.returncode) == (b"done\n", 0)


async def test_what_it_has_started_ends_with_the_block() -> None:
    async with child(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout
        pids = list(map(int, (await process.stdout.readline()).split()))
        assert os.getpgid(pids[0]) == pids[0] and all(map(alive, pids))
    async with asyncio.timeout(30):
        while any(map(alive, pids)):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5, 6, 8, 10, 20])
async def test_cancelled_at_any_moment_it_ends(turns: int) -> None:
    pids: list[int] = []

    async def run() -> None:
        async with child(sys.executable, "-c", SLEEP, stderr=asyncio.subprocess.PIPE) as process:
            pids.append(process.pid)
            await process.communicate()

    task = asyncio.create_task(run())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    async with asyncio.timeout(30):
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert not any(map(alive, pids))
