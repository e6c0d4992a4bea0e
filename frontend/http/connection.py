"""One client's connection: what HTTP asks of it before there is a request, and after its answer.

aiohttp's protocol, which reads requests, with limits that it has no settings for. What begins with an
underscore there is none of its promises: tests/api/test_admission.py and test_protocol_errors.py hold each.
"""

import asyncio
import contextlib
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import _ErrInfo

from frontend.common.errors import ApiError
from frontend.http import metrics
from frontend.http.connections import Connections
from frontend.http.middleware import error_response, finish_headers, new_request_id

log = logging.getLogger(__name__)
MAX_HEAD_BYTES = 1 << 15  # of a request that is not whole yet
MAX_PIPELINED_BYTES = 1 << 16  # sent before the answer to the request before
MAX_HEADERS = 64
KEPT_ALIVE_S = 130.0  # without a request: longer than proxies keep theirs, so that they close first
LINGERING_S = 3.0  # that a body which nobody wants is read and dropped, so that the client reads its refusal
UNSENT_S = 60.0  # that an answer may wait for its client to read on
READ_BYTES = 1 << 14  # of a body, before its reader must ask for more
# Of a body, unread: each costs as much as thousands of bytes do. Who streams sends larger ones, or fewer.
MAX_CRUMBS = 500
MIN_CHUNK_BYTES = 64  # on the average of so many
NO_HTTP = {400: "Bad request", 431: "Request headers are too large"}


class Connection(web.RequestHandler):
    __slots__ = (
        "_connections",
        "_head_bytes",
        "_pipelined_bytes",
        "_wire",
        "address",
        "head_since",
        "on_lost",
        "unsent_since",
        "used",
    )

    def __init__(
        self, manager: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is none
            keepalive_timeout=KEPT_ALIVE_S,
            lingering_time=LINGERING_S,
            max_headers=MAX_HEADERS,
            read_bufsize=READ_BYTES,
            auto_decompress=False,
        )
        self._connections = connections
        self._head_bytes = 0
        self._pipelined_bytes = 0
        self._wire: asyncio.Transport | None = None
        # As connections.OpenConnection has them.
        self.head_since: float | None = None
        self.unsent_since: float | None = None
        self.used = 0.0
        self.address = ""
        self.on_lost: Callable[[], None] | None = None  # of whoever works on an answer that takes long

    @property
    def idle(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._wire = transport  # type: ignore[assignment]  # uvloop's is none of asyncio's classes
        self.head_since = self.used = self._loop.time()
        self.address = self._connections.address_of(transport.get_extra_info("peername"))
        if not self._connections.admit(self):
            metrics.REFUSED.labels("connections").inc()
            self._send_off(ApiError(503, "Server is busy", {"Retry-After": "5"}))
            return
        if sys.platform == "linux" and (wire := transport.get_extra_info("socket")):
            with contextlib.suppress(OSError):  # a Unix socket
                wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNSENT_S * 1000))
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.forget(self)
        super().connection_lost(exc)
        if self.on_lost:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        request = self._current_request
        pipelined = request is not None and request.content.is_eof()
        body = None if request is None or pipelined else request.content
        try:
            super().data_received(data)
        except Exception as error:  # what is no URL, for one, is no error of HTTP to aiohttp
            self._refuse(400, error)
            return
        self.used = self._loop.time()
        message, newest = self._messages[-1] if self._messages else (None, body)
        if isinstance(message, _ErrInfo):
            message.exc.__traceback__ = None  # it holds the data, and they would keep each other for long
            self.close()  # once that is answered; what still comes is not looked at
            if body is not None and not body.is_eof():
                body.set_exception(web.RequestPayloadError("not as announced"))
        elif newest is not None and _is_crumbled(newest):
            self._refuse(400)
        else:
            self._count(len(data), pipelined)

    def _count(self, size: int, pipelined: bool) -> None:
        """What came and is no body: of a head that is not whole yet, or behind a request under way."""
        if self.idle:
            self.head_since = self.head_since or self.used
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(431)
            return
        self.head_since, self._head_bytes = None, 0
        self._pipelined_bytes = self._pipelined_bytes + size if pipelined else 0
        if self._pipelined_bytes > MAX_PIPELINED_BYTES:
            self.abort("pipelined")

    def resume_reading(self, resume_parser: bool = True) -> None:
        """What was not paused has nothing to resume; aiohttp would look for more after every body."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        self.unsent_since = self._loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.unsent_since = None
        super().resume_writing()

    def abort(self, reason: str) -> None:
        metrics.REFUSED.labels(reason).inc()
        self.force_close()
        if self._wire:
            self._wire.abort()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Of what is no HTTP, nothing is told again: a key may stand in it.

        Raises ConnectionError where an answer has begun.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        request_id = new_request_id()
        if status >= 500:
            log.error("request %s failed", request_id, exc_info=exc)
            response = error_response(ApiError(status, "Internal error"))
        else:
            error = self._judge(status, exc)
            response = error_response(error or ApiError(status, ""))
            if error is None:
                self.abort("malformed")
        finish_headers(response, request_id)
        response.force_close()
        return response

    def _judge(self, status: int, exc: BaseException | None = None) -> ApiError | None:
        """What the client is told; None where its address has sent too much of this to be answered."""
        metrics.REFUSED.labels("protocol").inc()
        try:
            self._connections.malformed.admit(self.address, self._loop.time())
        except ApiError:
            return None
        status = 431 if isinstance(exc, LineTooLong) else status
        return ApiError(status, NO_HTTP.get(status, NO_HTTP[400]))

    def _refuse(self, status: int, exc: BaseException | None = None) -> None:
        """Answers where aiohttp made no request of what came."""
        if error := self._judge(status, exc):
            self._send_off(error)
        else:
            self.abort("malformed")

    def _send_off(self, error: ApiError) -> None:
        """The refusal by hand, as there is no request that it could be the answer to."""
        response = error_response(error)
        finish_headers(response, new_request_id())
        body = response.body
        assert isinstance(body, bytes)
        headers: dict[str, Any] = {
            **response.headers,
            "Content-Length": len(body),
            "Connection": "close",
        }
        lines = [f"HTTP/1.1 {error.status} {response.reason}", *(f"{k}: {v}" for k, v in headers.items())]
        if self._wire:
            self._wire.write("\r\n".join([*lines, "", ""]).encode() + body)
            self._wire.close()
        self.force_close()


def _is_crumbled(body: StreamReader) -> bool:
    """Whether it comes in tiny chunks."""
    ends = getattr(body, "_http_chunk_splits", None)  # what has no body has none
    return ends is not None and len(ends) > MAX_CRUMBS and ends[-1] - ends[0] < MIN_CHUNK_BYTES * len(ends)
