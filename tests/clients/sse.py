"""A server whose stream of events is written beforehand."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.clients.unreliable import listening


def event(number: int, status: str, **more: Any) -> str:
    return f"id: {number}\nevent: status\ndata: {json.dumps({'status': status, **more})}\n\n"


@dataclass(frozen=True)
class Connection:
    text: str
    by_byte: bool = False  # each a piece of its own
    breaks: bool = False  # without an end


@dataclass
class Telling:
    url: str
    asked: list[str] = field(default_factory=list)  # Last-Event-ID of each connection


@contextlib.asynccontextmanager
async def telling(connections: Sequence[Connection]) -> AsyncIterator[Telling]:
    told = Telling("")

    async def answer(request: web.Request) -> web.StreamResponse:
        connection = connections[len(told.asked)]
        told.asked.append(request.headers.get("Last-Event-ID", ""))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        data = connection.text.encode()
        for piece in [bytes([byte]) for byte in data] if connection.by_byte else [data]:
            await response.write(piece)
            await asyncio.sleep(0)
        if connection.breaks:
            assert request.transport
            request.transport.abort()
        return response

    async with listening(answer) as told.url:
        yield told
