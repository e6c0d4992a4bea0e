"""How long an event loop does not come round."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

Result = TypeVar("Result")
TICK_S = 0.0005


async def watched(work: Awaitable[Result]) -> tuple[Result, list[float]]:
    """The result, and for every turn of the loop meanwhile by how many ms it came late."""
    task = asyncio.ensure_future(work)
    late, last = [], time.perf_counter()
    while not task.done():
        await asyncio.sleep(TICK_S)
        now = time.perf_counter()
        late.append(max(0.0, now - last - TICK_S) * 1000)
        last = now
    return task.result(), late
