"""What the reviewer says of its rulesets reaches the log; what it does not say changes nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from contract.redis_keys import CACHE, RULESETS
from frontend.cache.rulesets import Rulesets
from frontend.common.supervised import in_background
from tests.fakes import FakeAcs


@contextlib.asynccontextmanager
async def watching(redis: "Redis", acs: FakeAcs, servers: int = 1) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for _ in range(servers):
            watch = Rulesets(redis, http, acs.url, every_s=0.02).watch()
            await stack.enter_async_context(in_background(watch))
        yield


async def told(redis: "Redis") -> list[tuple[bytes, bytes]]:
    entries: Any = await redis.xrange(CACHE)
    return [(fields[b"ruleset"], fields[b"version"]) for _, fields in entries]


async def until_told(redis: "Redis", acs: FakeAcs, count: int) -> list[tuple[bytes, bytes]]:
    async with asyncio.timeout(10):
        while len(await told(redis)) < count:
            await asyncio.sleep(0.01)
    await looks(acs, 6)  # more would have come by now
    return await told(redis)


async def looks(acs: FakeAcs, count: int) -> None:
    """Until the servers have asked so often again."""
    before = acs.listed
    async with asyncio.timeout(10):
        while acs.listed < before + count:
            await asyncio.sleep(0.01)


async def test_change_is_told_once_however_many_servers_watch(redis: "Redis") -> None:
    async with FakeAcs().running() as acs:
        acs.rulesets = {"default": "v1"}
        async with watching(redis, acs, servers=3):
            assert await until_told(redis, acs, 1) == [(b"default", b"v1")]
            acs.rulesets = {"default": "v2"}
            assert await until_told(redis, acs, 2) == [(b"default", b"v1"), (b"default", b"v2")]
    assert await redis.hgetall(RULESETS) == {b"default": b"v2"}


async def test_ruleset_that_is_gone_stands_no_more(redis: "Redis") -> None:
    async with FakeAcs().running() as acs:
        acs.rulesets = {"default": "v1", "strict": "v1"}
        async with watching(redis, acs):
            await until_told(redis, acs, 2)
            acs.rulesets = {"default": "v1"}
            assert (await until_told(redis, acs, 3))[-1] == (b"strict", b"gone")


@pytest.mark.parametrize("rulesets", [{}, {"": "v1"}, {"default": "v" * 101}])
async def test_reviewer_that_lists_none_or_nonsense_changes_nothing(
    redis: "Redis", rulesets: dict[str, str]
) -> None:
    async with FakeAcs().running() as acs:
        acs.rulesets = rulesets
        async with watching(redis, acs):
            await looks(acs, 3)
        assert await told(redis) == []


async def test_reviewer_that_is_away_for_a_while_changes_nothing(
    redis: "Redis", caplog: pytest.LogCaptureFixture
) -> None:
    await redis.hset(RULESETS, "default", "v1")
    async with FakeAcs().running() as acs:
        pass
    async with watching(redis, acs):
        async with asyncio.timeout(10):
            while "rulesets cannot be watched" not in caplog.text:
                await asyncio.sleep(0.01)
    assert await told(redis) == []
    assert await redis.hgetall(RULESETS) == {b"default": b"v1"}
