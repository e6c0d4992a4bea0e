"""An answer of megabytes: its memory ends when it is sent, or when its client has had the time to read it."""

import asyncio
from collections.abc import AsyncGenerator

from aiohttp import web

from frontend.http.connection import Connection
from frontend.http.piecewise_answer import Close, PiecewiseAnswer

SLICE_BYTES = 1 << 16  # that the connection holds beside the piece
MAX_SEND_S = 120.0  # of one piece


class LargeAnswer(PiecewiseAnswer):
    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        close: Close,
        media_type: str,
        max_send_s: float = MAX_SEND_S,
    ) -> None:
        super().__init__(pieces, close, media_type)
        self._max_send_s = max_send_s

    async def send(self, request: web.BaseRequest, piece: bytes) -> None:
        view = memoryview(piece)
        try:
            async with asyncio.timeout(self._max_send_s):
                for start in range(0, len(view), SLICE_BYTES):
                    await self.write(view[start : start + SLICE_BYTES])
        except TimeoutError:
            assert isinstance(request.protocol, Connection)
            request.protocol.abort("slow reader")
            raise ConnectionAbortedError from None
