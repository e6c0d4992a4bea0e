"""Bodies that come in pieces, or do not come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api.harness import Api, api

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def in_pieces() -> AsyncIterator[bytes]:
    for piece in (b'{"act', b'ion":"mo', b'dels"}'):
        yield piece
        await asyncio.sleep(0.01)


async def test_body_in_pieces_is_read_whole(server: Api) -> None:
    headers = {"Authorization": f"Bearer {server.key}"}
    async with server.http.post(f"{server.url}/api/v2", data=in_pieces(), headers=headers) as response:
        assert response.status == 200


async def test_stranger_whose_body_does_not_come_is_given_up(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    done = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        yield b'{"action":'
        await done.wait()

    async with api(redis_url, tmp_path, body_timeout_s=0.2) as server, asyncio.timeout(30):
        async with server.http.post(f"{server.url}/api/v2", data=stalling()) as response:
            assert response.status == 408
            assert await response.json() == {"error": "Request body came too slowly"}
        done.set()
