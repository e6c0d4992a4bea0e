"""A process that does one thing and ends, and that ends with whoever waits for it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from typing import Any


@contextlib.asynccontextmanager
async def child(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs while the block does; options as of asyncio.create_subprocess_exec.

    It has a process group of its own: Ctrl-C is ours to handle, and what it has started ends with it.
    """
    start = asyncio.create_subprocess_exec(*command, process_group=0, **options)
    starting = asyncio.ensure_future(start)
    try:
        # Shielded: cancelled while it connects a process's pipes, asyncio 3.11 waits for ever.
        yield await asyncio.shield(starting)
    finally:
        process = await starting
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
