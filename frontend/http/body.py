"""A request's body: what is refused before it is read, and reading it under a budget."""

import asyncio
from collections.abc import Callable

from aiohttp import HttpVersion11, hdrs, web

from frontend.common.errors import ApiError

# So much is anybody's: the number of connections bounds it, and small requests are never turned away.
FREE_BYTES = 1 << 16
PIECES_A_TURN = 4  # of all bodies together, in one turn of the event loop; a piece may have 256 KiB
TOO_LARGE = "Request body is too large"


async def go_on_later(request: web.Request) -> None:
    """A route's `expect_handler`: who waits to be told to go on is told when the body is read."""


def check_size(request: web.Request) -> None:
    """Of the body that is announced. Raises ApiError 413."""
    if (request.content_length or 0) > request.client_max_size:
        raise ApiError(413, TOO_LARGE)


def check_encoding(request: web.Request) -> None:
    """Raises ApiError 415."""
    encoding = request.headers.get(hdrs.CONTENT_ENCODING)
    if encoding is not None and encoding.lower() != "identity":
        raise ApiError(415, "Content-Encoding is not supported")


class BodyReader:
    def __init__(self, timeout_s: float) -> None:
        """`timeout_s`: that a body may take to arrive."""
        self._timeout_s = timeout_s
        self._turns = asyncio.Semaphore(PIECES_A_TURN)

    async def read(self, request: web.Request, take: Callable[[int], None]) -> bytearray:
        """All of it. `take` is told of bytes before they are kept, and may refuse them.

        Raises what `take` raises, and ApiError: 408 where it came too slowly, 413, 400 for broken chunks.
        """
        body = bytearray()

        def keep(piece: bytes) -> None:
            size = len(body) + len(piece)
            if size > request.client_max_size:
                raise ApiError(413, TOO_LARGE)
            if size > FREE_BYTES:
                take(len(piece))
            body.extend(piece)

        try:
            if request.content.is_eof():  # small bodies come together with their headers
                keep(request.content.read_nowait())
                return body
            async with asyncio.timeout(self._timeout_s):
                await _go_on(request)
                async for piece in request.content.iter_any():
                    keep(piece)
                    async with self._turns:  # the next piece may be there already, and those of others
                        await asyncio.sleep(0)
        except TimeoutError:
            raise ApiError(408, "Request body came too slowly") from None
        except (web.RequestPayloadError, ConnectionError):  # of one who went away: nobody reads the answer
            raise ApiError(400, "Invalid JSON", {"Connection": "close"}) from None
        return body


async def _go_on(request: web.Request) -> None:
    """Tells a client to send its body, if it waits for that."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # it was no answer yet
