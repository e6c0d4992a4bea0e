import gzip

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from frontend.common.bounded_read import TooLarge, read_bounded


async def read(body: bytes, most: int, **headers: str) -> bytes:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession() as session,
        session.get(server.make_url("/")) as response,
    ):
        return await read_bounded(response, most)


async def test_answer_of_just_the_limit_is_read_whole() -> None:
    assert await read(b"x" * 100_000, 100_000) == b"x" * 100_000


async def test_one_byte_more_is_refused_and_nothing_of_it_is_told() -> None:
    with pytest.raises(TooLarge, match=r"^more than 100000 bytes$"):
        await read(b"secret" * 20_000, 100_000)


async def test_bytes_count_after_decompression() -> None:
    with pytest.raises(TooLarge):
        await read(gzip.compress(b"0" * 1_000_000), 100_000, **{"Content-Encoding": "gzip"})
