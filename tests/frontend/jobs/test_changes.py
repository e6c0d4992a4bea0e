"""What is told of jobs as they change, against the real Redis."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract.redis_keys import CHANGES, KEYS_CHANGED, OPEN, QUEUE_MOVED
from frontend.common.supervised import in_background
from frontend.jobs.changes import Changes
from frontend.jobs.claim import Claim
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict
from tests.lossy_redis import wired


@dataclass(frozen=True)
class Ear:
    heard: "asyncio.Queue[str | None]"  # None: a subscription began

    async def next(self) -> str | None:
        async with asyncio.timeout(20):
            return await self.heard.get()

    async def told_of(self, change: Awaitable[Any], redis: "Redis") -> list[str | None]:
        """What is heard until a word that is sent after the change."""
        await change
        await redis.publish(CHANGES, "the end")
        found = []
        while (message := await self.next()) != "the end":
            found.append(message)
        return found


@contextlib.asynccontextmanager
async def listening(redis: "Redis") -> AsyncIterator[Ear]:
    heard: asyncio.Queue[str | None] = asyncio.Queue()
    changes = Changes(redis, heard.put_nowait, lambda: heard.put_nowait(None))
    async with in_background(changes.follow()):
        ear = Ear(heard)
        assert await ear.next() is None
        yield ear


@pytest.fixture
async def store(redis: "Redis") -> JobStore:
    store = JobStore(redis, Settings())
    await store.prepare()
    return store


async def taken(store: JobStore) -> Claim:
    claim = await store.next("one", 100)
    assert claim is not None
    return claim


async def test_every_change_of_a_job_is_told(redis: "Redis", store: JobStore) -> None:
    job = a_job()
    async with listening(redis) as ear:
        assert await ear.told_of(store.accept(job, b"", None), redis) == []
        assert await ear.told_of(_release(store), redis) == [QUEUE_MOVED, job.id, job.id, QUEUE_MOVED]
        claim = await taken(store)
        assert await ear.told_of(store.beat(claim), redis) == [QUEUE_MOVED, job.id]  # of being taken
        assert await ear.told_of(store.beat(claim, 0.5), redis) == [job.id]
        assert await ear.told_of(store.made(claim, a_picture()), redis) == [job.id]
        assert await ear.told_of(store.judge(job.id, a_verdict()), redis) == [job.id]


async def _release(store: JobStore) -> None:
    await store.release(await taken(store), charge=False)


async def test_every_end_is_told(redis: "Redis", store: JobStore) -> None:
    cancelled, late, failed = a_job(), a_job(), a_job()
    async with listening(redis) as ear:
        await store.accept(cancelled, b"", None)
        assert await ear.told_of(store.cancel(cancelled.id, cancelled.owner), redis) == [
            QUEUE_MOVED,
            cancelled.id,
        ]
        await store.accept(late, b"", None)
        await redis.zadd(OPEN, {late.id: 0})
        assert await ear.told_of(store.sweep(), redis) == [QUEUE_MOVED, late.id]
        await store.accept(failed, b"", None)
        claim = await taken(store)
        assert await ear.told_of(store.fail(claim), redis) == [QUEUE_MOVED, failed.id, failed.id]


async def test_disabled_key_is_told(redis: "Redis") -> None:
    keys = Keys(redis)
    await keys.create("shop")
    async with listening(redis) as ear:
        assert await ear.told_of(keys.disable("shop"), redis) == [KEYS_CHANGED]


async def test_lost_subscription_begins_again_and_says_so(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with wired(redis_url, tmp_path) as (wire, client), listening(client) as ear:
        wire.cut()
        await redis.publish(CHANGES, "unheard")
        wire.mend()
        assert await ear.next() is None
        await redis.publish(CHANGES, "heard")
        assert await ear.next() == "heard"
