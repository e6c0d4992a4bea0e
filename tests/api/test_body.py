"""Bodies that come in pieces, or do not come."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.api.harness import Api, api
from tests.api.wire import head, wire

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


async def test_client_that_goes_away_with_half_a_body_is_no_failure_of_ours(
    server: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async def answered(status: int) -> float:
        async with server.http.get(f"{server.url}/metrics") as response:
            lines = (await response.text()).splitlines()
        name = f'imgen_http_requests_total{{route="/api/v2",status="{status}"}} '
        return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))

    refused, failed = await answered(400), await answered(500)
    async with wire(server.settings.port) as one:
        await one.send(head("Expect: 100-continue", key=server.key, length=100))
        assert (await one.answer()).status == 100
        await one.send(b"{")
    async with asyncio.timeout(30):
        while await answered(400) == refused:
            await asyncio.sleep(0.02)
    assert await answered(500) == failed
    assert "failed" not in caplog.text
