"""Answers of megabytes, over real sockets."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from embedded.part import free_port
from frontend.http.large_answer import MAX_SEND_S, LargeAnswer
from frontend.http.listener import listening
from frontend.settings import Settings

PIECE = bytes(range(256)) * (1 << 16)  # 16 MiB: more than all buffers on the way
PATIENCE_S = 60.0


class Served:
    """A server of one address, which answers two large pieces."""

    def __init__(self, max_send_s: float) -> None:
        self._max_send_s = max_send_s
        self.closed = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> LargeAnswer:
        return LargeAnswer(self._pieces(), self._close, "application/octet-stream", self._max_send_s)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        yield PIECE
        yield PIECE

    async def _close(self) -> None:
        self.closed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Served"]:
        app, settings = web.Application(), Settings(port=free_port())
        app.router.add_get("/", self.answer)
        async with listening(app, settings.host, settings.port, settings, drain_s=0.1):
            self.url = f"http://127.0.0.1:{settings.port}/"
            yield self


async def test_answer_arrives_whole_and_its_memory_ends() -> None:
    async with Served(MAX_SEND_S).running() as served, aiohttp.ClientSession() as http:
        async with http.get(served.url) as response:
            got = hashlib.sha256(await response.read()).digest()
        assert got == hashlib.sha256(PIECE * 2).digest()
        await asyncio.wait_for(served.closed.wait(), PATIENCE_S)


async def test_reader_that_never_reads_is_cut_off() -> None:
    async with Served(0.2).running() as served, aiohttp.ClientSession() as http:
        async with http.get(served.url) as response:
            await asyncio.wait_for(served.closed.wait(), PATIENCE_S)
            with pytest.raises(aiohttp.ClientError):
                await response.read()


async def test_client_that_goes_away_ends_it() -> None:
    async with Served(MAX_SEND_S).running() as served, aiohttp.ClientSession() as http:
        async with http.get(served.url):
            pass
        await asyncio.wait_for(served.closed.wait(), PATIENCE_S)
