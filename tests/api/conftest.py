"""An API server for one test, and one for all tests that only ask."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Thread

import aiohttp
import pytest
from redis.asyncio import Redis

from embedded.part import running
from embedded.redis import redis_part
from tests.api.harness import Api, api


@pytest.fixture
async def server(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with api(redis_url, tmp_path) as running:
        yield running


@pytest.fixture
async def shared(standing_server: Api) -> AsyncIterator[Api]:
    """For tests that leave nothing behind that another would notice. It works on no jobs."""
    async with aiohttp.ClientSession() as http:
        yield replace(standing_server, http=http)


@pytest.fixture(scope="session")
def standing_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """In a loop of its own, since each test has another; with a Redis that nobody empties."""
    folder = tmp_path_factory.mktemp("standing")
    started, stop = Future[Api](), Future[None]()

    async def serve() -> None:
        part = redis_part(folder)
        async with (
            running(part, folder),
            api(part.url, folder, workers=0, verify_per_minute=10_000) as server,
        ):
            started.set_result(server)
            await asyncio.wrap_future(stop)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield started.result(timeout=60)
    finally:
        stop.set_result(None)
        thread.join()
