import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from embedded.child import run_all, run_child
from embedded.processes import processes
from frontend.settings import ROOT
from tests.triton_server import RunningTriton

SLEEP = "import time; time.sleep(600)"
# Starts a process that outlives it, tells both ids, and waits.
PARENT = (
    "import os, subprocess, sys, time;"
    f"process = subprocess.Popen([sys.executable, '-c', {SLEEP!r}]);"
    "print(os.getpid(), process.pid, flush=True); time.sleep(600)"
)


def children() -> set[int]:
    """Of this process, also those that have ended and are not yet waited for."""
    return {pid for pid, _, _, parent in processes() if parent == os.getpid()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_answer_and_exit_code_are_read() -> None:
    async with run_child(sys.executable, "-c", "print('done')", stdout=asyncio.subprocess.PIPE) as process:
        output, _ = await process.communicate()
    assert (output, process.returncode) == (b"done\n", 0)


async def test_what_it_has_started_ends_with_the_block() -> None:
    async with run_child(sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout
        pids = list(map(int, (await process.stdout.readline()).split()))
        assert os.getpgid(pids[0]) == pids[0] and all(map(alive, pids))
    async with asyncio.timeout(30):
        while any(map(alive, pids)):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5, 6, 8, 10, 20])
async def test_cancelled_at_any_moment_and_however_often_it_is_waited_for(turns: int, again: bool) -> None:
    before = children()

    async def run() -> None:
        async with run_child(sys.executable, "-c", SLEEP, stderr=asyncio.subprocess.PIPE) as process:
            await process.communicate()

    task = asyncio.create_task(run())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    while again and not task.done():
        await asyncio.sleep(0)
        task.cancel()
    async with asyncio.timeout(30):
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert children() == before


def test_no_child_outlives_its_event_loop(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio.run cancels what is left, and closes the loop when that has ended."""

    async def run() -> None:
        async with run_child(sys.executable, "-c", SLEEP):
            await asyncio.Event().wait()

    async def leave_behind() -> None:
        task = asyncio.create_task(run())
        while not children() - before:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)

    before, running = children(), set(threading.enumerate())  # servers that other tests share
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(leave_behind())
    assert children() == before
    for thread in set(threading.enumerate()) - running:
        if thread.name.startswith("asyncio-waitpid"):
            thread.join(30)
    assert not caplog.messages


async def test_first_failure_is_raised_once_the_others_have_ended() -> None:
    ended = asyncio.Event()

    async def fail() -> None:
        raise ValueError("first")

    async def end_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(10):
                await asyncio.sleep(0)
            ended.set()

    with pytest.raises(ValueError, match="first"):
        await run_all([end_slowly(), fail()])
    assert ended.is_set()


START_AFTER_ASKING = """
import asyncio, os, sys
from embedded.child import spawn
from embedded.triton import _ready

async def main():
    assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "0"
    for _ in range(100):
        assert await _ready(sys.argv[1])
        assert await (await spawn("/bin/true", preexec_fn=lambda: None)).wait() == 0

asyncio.run(main())
"""


def test_process_starts_also_after_triton_was_asked(triton: RunningTriton) -> None:
    """gRPC's handlers around fork() made one of some hundreds hang; in a process of its own, as it hangs."""
    command = (sys.executable, "-c", START_AFTER_ASKING, triton.url)
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
