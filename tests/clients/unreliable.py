"""A proxy before the real server that loses answers, refuses, and goes away, as networks do."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from embedded.part import free_port

HOP_BY_HOP = {"Transfer-Encoding", "Connection", "Content-Encoding", "Content-Length"}


@dataclass(frozen=True)
class Seen:
    action: str  # of a POST, else the path
    body: dict[str, Any]
    headers: dict[str, str]


@dataclass(frozen=True)
class LostAnswer:
    """The server gets the request and answers; nobody hears of it."""


@dataclass(frozen=True)
class LostRequest:
    """The connection ends before the server hears of it."""


@dataclass(frozen=True)
class Refused:
    status: int
    words: str
    retry_after: str = ""
    detail: str = ""


Fault = LostAnswer | LostRequest | Refused


@dataclass
class Unreliable:
    """`faults`: by action, what becomes of its next requests; then all is well."""

    server: str
    url: str = ""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)

    def seen_of(self, action: str) -> list[Seen]:
        return [each for each in self.seen if each.action == action]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Unreliable"]:
        async with aiohttp.ClientSession(auto_decompress=False) as http:

            async def handle(request: web.Request) -> web.StreamResponse:
                return await self._handle(request, http)

            async with listening(handle) as self.url:
                yield self

    async def _handle(self, request: web.Request, http: aiohttp.ClientSession) -> web.StreamResponse:
        body = await request.read()
        told = orjson.loads(body) if request.method == "POST" else {}
        action = told.get("action", request.path)
        self.seen.append(Seen(action, told, dict(request.headers)))
        waiting = self.faults.get(action)
        fault = waiting.pop(0) if waiting else None
        if isinstance(fault, LostRequest):
            return _cut(request)
        if isinstance(fault, Refused):
            more = {"detail": fault.detail} if fault.detail else {}
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            return web.json_response({"error": fault.words, **more}, status=fault.status, headers=headers)
        url, headers = f"{self.server}{request.path_qs}", dict(request.headers)
        async with http.request(request.method, url, data=body, headers=headers) as answer:
            if isinstance(fault, LostAnswer):
                await answer.read()
                return _cut(request)
            kept = {name: value for name, value in answer.headers.items() if name not in HOP_BY_HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            return response


def _cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@contextlib.asynccontextmanager
async def listening(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """A server whose every answer is `handle`'s; yields its URL."""
    app = web.Application(client_max_size=64 << 20)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
