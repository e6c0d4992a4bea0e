import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from acs.failure import Failure
from acs.fetch import MAX_BYTES, AllowedPrefix, Fetcher, picture_session


async def _picture(request: web.Request) -> web.Response:
    return web.Response(body=request.raw_path.encode())


async def _elsewhere(request: web.Request) -> web.Response:
    raise web.HTTPFound("/pictures/a.jpg")


async def _endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(MAX_BYTES // (1 << 20) + 2):
        await response.write(bytes(1 << 20))
    return response


async def _hanging(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def _broken(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.abort()
    return response


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.add_routes(
        [
            web.get("/pictures/redirect", _elsewhere),
            web.get("/pictures/endless", _endless),
            web.get("/pictures/hanging", _hanging),
            web.get("/pictures/broken", _broken),
            web.get("/pictures/{name:.*\\.jpg}", _picture),
            web.get("/secret", _picture),
        ]
    )
    server = TestServer(app, shutdown_timeout=0.1)
    async with server:
        yield server


async def fetch(server: TestServer, address: str, timeout_s: float = 10.0) -> bytes:
    async with picture_session() as session:
        allowed = AllowedPrefix(URL(str(server.make_url("/pictures"))))
        return await Fetcher(session, (allowed,), timeout_s).fetch(address)


async def refusal(server: TestServer, address: str, timeout_s: float = 10.0) -> Failure:
    with pytest.raises(Failure) as raised:
        await fetch(server, address, timeout_s)
    return raised.value


async def test_signed_address_is_asked_for_as_it_is(server: TestServer) -> None:
    path = "/pictures/a.jpg?X-Sig=a%2Fb%3D&x=%7E~+%20"
    assert await fetch(server, f"http://127.0.0.1:{server.port}{path}") == path.encode()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/secret",
        "http://127.0.0.1:{port}/picturesque/a.jpg",
        "http://127.0.0.1:{port}/pictures/../secret",
        "http://127.0.0.1:{port}/pictures/%2e%2E/secret",
        "http://127.0.0.1:{port}/pictures/..%2Fsecret",
        "http://127.0.0.1:{port}/pictures\\a.jpg",
        "http://user:pass@127.0.0.1:{port}/pictures/a.jpg",
        "http://127.0.0.1:{port}@example.com/pictures/a.jpg",
        "http://localhost:{port}/pictures/a.jpg",
        "http://127.0.0.1/pictures/a.jpg",
        "https://127.0.0.1:{port}/pictures/a.jpg",
        "ftp://127.0.0.1:{port}/pictures/a.jpg",
        "file:///etc/hostname",
        "//127.0.0.1:{port}/pictures/a.jpg",
        "/pictures/a.jpg",
        "http://127.0.0.1:{port}/pictures/a.jpg\r\nX: y",
        "http://[::1",
        "http://127.0.0.1:99999/pictures/a.jpg",
        "",
    ],
)
async def test_place_that_is_not_allowed_is_refused(server: TestServer, address: str) -> None:
    failure = await refusal(server, address.format(port=server.port))
    assert failure.status == 422
    assert "127.0.0.1" not in failure.message


@pytest.mark.parametrize("name", ["redirect", "endless", "broken", "missing"])
async def test_anything_but_a_whole_picture_is_502(server: TestServer, name: str) -> None:
    assert (await refusal(server, f"{server.make_url('/pictures')}/{name}")).status == 502


async def test_hanging_server_is_502(server: TestServer) -> None:
    assert (await refusal(server, f"{server.make_url('/pictures')}/hanging", 0.05)).status == 502


async def test_nothing_is_allowed_by_default(server: TestServer) -> None:
    async with picture_session() as session:
        with pytest.raises(Failure):
            await Fetcher(session, ()).fetch(f"{server.make_url('/pictures')}/a.jpg")


@pytest.mark.parametrize("prefix", ["", "example.com", "ftp://a/", "http://u:p@a/", "http://a/?q=1"])
def test_prefix_that_is_none_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="expected http"):
        AllowedPrefix(URL(prefix))
