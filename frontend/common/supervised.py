"""Work that goes on as long as something is open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine

AGAIN_S = 0.2


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # a client library may lose a cancellation that comes while it connects
            task.cancel()
            await asyncio.wait([task], timeout=AGAIN_S)
        await asyncio.gather(task, return_exceptions=True)
