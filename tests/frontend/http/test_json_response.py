import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from frontend.http.json_response import JsonResponse

BODY = b'{"status":"ok"}'
REQUEST = b"%s / HTTP/%s\r\nHost: here\r\n%s\r\n"


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """At any path and method: JSON; `X-Own: 1` has it answered by aiohttp's own class."""

    async def answer(request: web.Request) -> web.Response:
        kind = web.Response if "X-Own" in request.headers else JsonResponse
        status = int(request.headers.get("X-Status", 200))
        response = kind(body=BODY, status=status, headers={"Content-Type": "application/json"})
        if "X-Close" in request.headers:
            response.force_close()
        return response

    app = web.Application()
    app.router.add_route("*", "/", answer)
    opened = TestServer(app)
    async with opened:
        yield opened


async def ask(
    server: TestServer, method: bytes, version: bytes, headers: bytes
) -> tuple[set[bytes], bytes, bool]:
    """Lines of the head without the time, the body, and whether the connection stays open."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(REQUEST % (method, version, headers))
    head = await reader.readuntil(b"\r\n\r\n")
    body = b"" if method == b"HEAD" else await reader.readexactly(len(BODY))
    writer.write(REQUEST % (method, version, headers))
    again = await reader.read(1)
    writer.close()
    lines = {line for line in head.splitlines() if not line.startswith((b"Date:", b"Server:"))}
    return lines, body, bool(again)


@pytest.mark.parametrize("headers", [b"", b"X-Status: 503\r\n", b"X-Close: 1\r\n", b"Connection: close\r\n"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("method", [b"POST", b"GET", b"HEAD"])
async def test_answer_is_the_one_that_aiohttp_gives(
    server: TestServer, method: bytes, version: bytes, headers: bytes
) -> None:
    ours = await ask(server, method, version, headers)
    assert ours == await ask(server, method, version, headers + b"X-Own: 1\r\n")


async def test_every_answer_tells_its_time(server: TestServer) -> None:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(REQUEST % (b"POST", b"1.1", b""))
    assert b"\r\nDate: " in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def test_header_with_a_line_break_is_not_sent() -> None:
    async def answer(request: web.Request) -> web.Response:
        return JsonResponse(body=BODY, headers={"X-Name": "a\r\nSet-Cookie: b"})

    app = web.Application()
    app.router.add_post("/", answer)
    async with TestServer(app) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(REQUEST % (b"POST", b"1.1", b""))
        assert b"Set-Cookie" not in await reader.read()
        writer.close()
