"""An answer of server-sent events, as the HTML standard has them (section 9.2)."""

import contextlib
import socket
from collections.abc import AsyncGenerator

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from frontend.http.connection import Connection
from frontend.http.piecewise_answer import Close, PiecewiseAnswer

MEDIA_TYPE = "text/event-stream; charset=utf-8"
COMMENT = b":\n\n"
# What a client has left unread where it is cut off: the system's buffer, and ours beyond it.
SEND_BUFFER_BYTES = 1 << 14
MAX_UNSENT_BYTES = 1 << 14


def event(name: str, data: bytes, number: str = "") -> bytes:
    """`number`: its id, "" for none. `data`: one line."""
    told = f"event: {name}\nid: {number}\n" if number else f"event: {name}\n"
    return b"%bdata: %b\n\n" % (told.encode(), data)


def retry(milliseconds: int) -> bytes:
    return b"retry: %d\n\n" % milliseconds


class EventStream(PiecewiseAnswer):
    """Sends `pieces`, which are small, as they come, to a client that takes them."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], close: Close) -> None:
        super().__init__(pieces, close, MEDIA_TYPE)
        self.force_close()  # the connection's buffer stays small

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        _keep_small(request)
        return await super().prepare(request)

    async def send(self, request: web.BaseRequest, piece: bytes) -> None:
        _check_reader(request)
        await self.write(piece)


def _keep_small(request: web.BaseRequest) -> None:
    if request.transport and (wire := request.transport.get_extra_info("socket")):
        with contextlib.suppress(OSError):
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _check_reader(request: web.BaseRequest) -> None:
    """Raises ConnectionAbortedError where it leaves too much unread: nothing is kept for it."""
    if request.transport and request.transport.get_write_buffer_size() > MAX_UNSENT_BYTES:
        assert isinstance(request.protocol, Connection)
        request.protocol.abort("slow reader")
        raise ConnectionAbortedError
