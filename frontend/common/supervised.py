"""Work that goes on as long as something is open, and that no failure ends."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

from frontend.common.outage_log import OutageLog

CANCEL_AGAIN_S = 0.2


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        while not task.done():  # a client library may lose a cancellation that comes while it connects
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)
        await asyncio.gather(task, return_exceptions=True)


class SupervisedLoop:
    """One turn after the other. An outage is logged as `name`, when it begins and when it ends."""

    def __init__(
        self, name: str, turn: Callable[[], Awaitable[None]], log: logging.Logger, *, pause_s: float = 1.0
    ) -> None:
        """`pause_s`: after a turn that failed."""
        self._turn = turn
        self._outage = OutageLog(log, name)
        self._pause_s = pause_s

    @property
    def failing(self) -> bool:
        """Whether the last turn failed."""
        return self._outage.lasts

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._turn()
            except Exception as error:
                self._outage.failed(error)
                await asyncio.sleep(self._pause_s)
            else:
                self._outage.succeeded()
