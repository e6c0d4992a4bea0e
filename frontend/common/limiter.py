"""Bounded concurrency for work that is large: so many at a time, so many waiting, and no more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from frontend.common.errors import ApiError


class Limiter:
    def __init__(self, at_a_time: int, waiting: int) -> None:
        self._slots = asyncio.Semaphore(at_a_time)
        self._max = at_a_time + waiting
        self._inside = 0

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Waits for its turn. Raises ApiError 503 where too many wait already."""
        if self._inside >= self._max:
            raise ApiError(503, "Server is busy", {"Retry-After": "5"})
        self._inside += 1
        try:
            async with self._slots:
                yield
        finally:
            self._inside -= 1
