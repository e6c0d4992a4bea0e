"""Child processes that are waited for to their end, whenever and however often their owner is cancelled.

asyncio waits for each of them in a thread, which logs a warning where the event loop is closed first.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from typing import Any

# gRPC's handlers around fork() wait for its own threads, now and then for ever: whoever had asked Triton
# whether it is ready, and then started a process, hung. What is forked here becomes another program at once.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")


async def spawn(*command: str, **options: Any) -> asyncio.subprocess.Process:
    """Options as of asyncio.create_subprocess_exec. Cancelled meanwhile, it leaves no process.

    The process leads a group of its own: Ctrl-C is ours to handle, and what it has started ends with it.
    """
    start = asyncio.create_subprocess_exec(*command, process_group=0, **options)
    starting = asyncio.ensure_future(start)
    try:
        # Never cancelled: while it connects a process's pipes, asyncio 3.11 would then wait for ever.
        await _insist(lambda: asyncio.wait([starting]))
    except asyncio.CancelledError:
        if not starting.cancelled() and starting.exception() is None:
            await kill(starting.result())
        raise
    return starting.result()


async def kill(process: asyncio.subprocess.Process) -> None:
    """Ends its whole group, and waits for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # To the end of its pipes, else asyncio closes them when the loop is gone, and says so.
    await _insist(process.communicate)


@contextlib.asynccontextmanager
async def run_child(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that does one thing and ends, with the block at the latest; options as of `spawn`."""
    process = await spawn(*command, **options)
    try:
        yield process
    finally:
        await kill(process)


async def _insist(attempt: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """To its end, though we are cancelled, or it is: asyncio.run does that to all tasks that are left."""
    cancelled: asyncio.CancelledError | None = None
    task = asyncio.create_task(attempt())
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
        if task.cancelled():
            task = asyncio.create_task(attempt())
    task.result()
    if cancelled is not None:
        raise cancelled


async def run_all(work: Iterable[Coroutine[Any, Any, object]]) -> None:
    """Side by side; the first that fails cancels the others, and so does a cancellation of ours.

    Raises the first error once all have ended: asyncio.gather would leave the others behind.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
