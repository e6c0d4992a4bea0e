"""The HTTP side: one request is written at a time, a few wait, more are turned away."""

import asyncio
import logging
import threading
from typing import Any, Protocol

import orjson
from aiohttp import web

from llm.chat import MODEL, InvalidBody, build_completion, parse_request
from llm.write_request import WriteRequest, WrittenText

MAX_BODY_BYTES = 128 << 10

log = logging.getLogger(__name__)


class TextWriter(Protocol):
    def write(self, ask: WriteRequest, stop: threading.Event) -> WrittenText: ...


class WriterQueue:
    """Where requests wait for the one writer."""

    def __init__(self, writer: TextWriter, waiting: int) -> None:
        self._writer = writer
        self._places = waiting + 1
        self._turn = asyncio.Lock()

    async def write(self, ask: WriteRequest) -> WrittenText | None:
        """None where too many wait already. Cancelled, it stops the writer before it lets the next one in."""
        if not self._places:
            return None
        self._places -= 1
        try:
            async with self._turn:
                return await self._write(ask)
        finally:
            self._places += 1

    async def _write(self, ask: WriteRequest) -> WrittenText:
        stop = threading.Event()
        writing = asyncio.create_task(asyncio.to_thread(self._writer.write, ask, stop))
        try:
            return await asyncio.shield(writing)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.gather(writing, return_exceptions=True)
            raise


WRITER_QUEUE = web.AppKey("writer_queue", WriterQueue)


def build_app(writer: TextWriter, waiting: int) -> web.Application:
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app[WRITER_QUEUE] = WriterQueue(writer, waiting)
    app.add_routes(
        [
            web.get("/healthz", healthz),
            web.get("/v1/models", models),
            web.post("/v1/chat/completions", chat_completions),
        ]
    )
    return app


async def healthz(request: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def models(request: web.Request) -> web.Response:
    return _json({"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "google"}]})


async def chat_completions(request: web.Request) -> web.Response:
    try:
        ask = parse_request(await request.read())
    except InvalidBody as error:
        return _refusal(400, "invalid_request_error", str(error))
    try:
        written = await request.app[WRITER_QUEUE].write(ask)
    except Exception:
        log.exception("writing failed")
        return _refusal(500, "server_error", "writing failed")
    if written is None:
        return _refusal(429, "rate_limit_error", "too many requests are waiting")
    return _json(build_completion(written))


def _refusal(status: int, kind: str, message: str) -> web.Response:
    response = _json({"error": {"message": message, "type": kind, "param": None, "code": None}}, status)
    if status == 429:
        response.headers["Retry-After"] = "2"
    return response


def _json(data: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")
