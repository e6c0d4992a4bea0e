import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from embedded.frontend import frontend_part
from embedded.part import free_port
from embedded.readiness import answers
from frontend.settings import Settings


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Accepts connections and never answers."""
    done = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    done.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False)])
async def test_answer_of_200_is_ready(status: int, ready: bool) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    app = web.Application()
    app.router.add_get("/healthz", answer)
    async with TestServer(app) as server:
        assert await answers(str(server.make_url("/healthz"))) is ready


async def test_nobody_there_is_not_ready() -> None:
    assert not await answers(f"http://127.0.0.1:{free_port()}/healthz")


async def test_server_that_is_silent_is_not_ready_and_not_waited_for(silent_port: int) -> None:
    part = frontend_part(Settings(port=silent_port), {})
    async with asyncio.timeout(30):
        assert not await part.ready()


async def test_part_on_a_unix_socket_is_asked_there(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "part.sock"):
        assert await answers(f"unix:{tmp_path}/part.sock:/readyz")
    assert asked[0].startswith(b"GET /readyz HTTP/1.0\r\n")


async def test_answer_without_an_end_is_not_ready() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x" * (1 << 20))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        assert not await answers(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/healthz")
