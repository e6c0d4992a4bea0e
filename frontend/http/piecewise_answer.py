"""An answer that is sent in pieces, as they come."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from frontend.http.departure import while_connected

log = logging.getLogger(__name__)
Close = Callable[[], Awaitable[None]]


class PiecewiseAnswer(web.StreamResponse):
    """`close` is called at the end, however that comes."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], close: Close, media_type: str) -> None:
        super().__init__(
            headers={
                hdrs.CONTENT_TYPE: media_type,
                hdrs.CACHE_CONTROL: "no-store",
                "X-Accel-Buffering": "no",  # nginx would collect them
            }
        )
        self._pieces = pieces
        self._close = close

    async def send(self, request: web.BaseRequest, piece: bytes) -> None:
        """Raises ConnectionError where the client is too slow."""
        raise NotImplementedError

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """All of it, as aiohttp's answers with a file do: so its headers are finished, and its time is
        counted, as of any answer. Raises ConnectionError where the client is gone or too slow."""
        try:
            async with contextlib.aclosing(self._pieces) as pieces:
                with while_connected(request):
                    writer = await super().prepare(request)
                    async for piece in pieces:
                        await self.send(request, piece)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("an answer was broken off: %s", type(error).__name__)
            raise ConnectionAbortedError from None
        finally:
            await self._close()
        return writer
