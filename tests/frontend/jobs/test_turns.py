"""Whose job is next: lines, turns, and what the queue tells of them, against the real Redis."""

import asyncio
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from contract.redis_keys import (
    HELD,
    JOB_PREFIX,
    LAST_TURNS,
    LINE_PREFIX,
    OPEN,
    OPEN_PREFIX,
    QUEUE,
    SHARES,
    TURNS,
    WAITING,
    WAKE,
)
from embedded.part import start, stop
from embedded.redis import redis_part
from frontend.common.redis_connection import connect
from frontend.domain.job import Job
from frontend.domain.job_state import Queued
from frontend.jobs.claim import Claim
from frontend.jobs.queue_share import ORDINARY, QueueShare
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Priority
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_job, a_picture

FORESEEN = 200  # jobs/lua/read.lua
LONG_MS = 8_000  # of one look: only a worker that was woken finds a job in it


@pytest.fixture
async def store(redis: "Redis") -> JobStore:
    store = JobStore(redis, Settings(queue_limit=2000, key_jobs_limit=2000))
    await store.prepare()
    return store


async def order(store: JobStore, owner: str, count: int = 1, share: QueueShare = ORDINARY) -> list[Job]:
    jobs = [a_job(owner) for _ in range(count)]
    for job in jobs:
        await store.accept(job, b"", None, share=share)
    return jobs


async def taken(store: JobStore) -> Claim:
    claim = await store.next("one", 0)
    assert claim is not None
    return claim


async def take_all(store: JobStore) -> list[str]:
    ids = []
    while claim := await store.next("one", 0):
        ids.append(claim.job.id)
        await store.fail(claim)
    return ids


async def places(store: JobStore, jobs: list[Job]) -> list[int | None]:
    """The positions that clients are told."""
    states = await asyncio.gather(*(store.read(job.id, job.owner) for job in jobs))
    return [state.position if isinstance(state, Queued) else None for state in states]


async def test_modest_key_does_not_wait_for_a_greedy_one(store: JobStore) -> None:
    greedy = await order(store, "greedy", 20)
    assert (await taken(store)).job == greedy[0]
    (modest,) = await order(store, "modest")
    assert await places(store, [greedy[1], modest]) == [2, 1]
    assert (await taken(store)).job == modest


async def test_key_that_cancels_its_jobs_loses_no_turns(store: JobStore) -> None:
    fickle, other = await order(store, "fickle", 50), await order(store, "other", 50)
    for job in fickle[:49]:
        await store.cancel(job.id, job.owner)
    assert await places(store, [fickle[49], *other[:2]]) == [1, 2, 3]


async def test_ordering_one_by_one_gains_nothing(store: JobStore) -> None:
    """Against a key with a line; once the credit of one who came new is spent."""
    await order(store, "line", 200)
    began = []
    await order(store, "one by one")
    for _ in range(100):
        claim = await taken(store)
        began.append(claim.job.owner)
        if claim.job.owner != "line":
            await order(store, "one by one")
        await store.fail(claim)
    assert abs(began[20:].count("line") - 40) <= 1


async def test_positions_are_the_order_in_which_jobs_are_taken(store: JobStore, redis: "Redis") -> None:
    """Of many keys and priorities, after many random changes."""
    chance = random.Random(20)
    shares = [QueueShare(chance.choice(list(Priority))) for _ in range(30)]
    waiting: dict[str, Job] = {}
    for _ in range(400):
        what = chance.random()
        if what < 0.5:
            number = chance.randrange(len(shares))
            for job in await order(store, f"key-{number}", chance.choice([1, 1, 1, 5]), shares[number]):
                waiting[job.id] = job
        elif what < 0.8 and waiting:
            claim = await taken(store)
            if chance.random() < 0.2:
                await store.release(claim, charge=False)
            else:
                del waiting[claim.job.id]
                await store.made(claim, a_picture())
        elif waiting:
            gone = waiting.pop(chance.choice(list(waiting)))
            await store.cancel(gone.id, gone.owner)
    told = dict(zip(waiting, await places(store, list(waiting.values())), strict=True))
    began = {job_id: place + 1 for place, job_id in enumerate(await take_all(store))}
    assert len(told) == len(began) > FORESEEN  # or nothing was tried
    for job_id, place in told.items():
        assert place == began[job_id] or (place is not None and min(place, began[job_id]) > FORESEEN)
    left = {TURNS, HELD, WAITING, SHARES, WAKE, OPEN}
    assert await redis.exists(*left) == 0 and await redis.keys(f"{LINE_PREFIX}*") == []


async def test_key_has_no_more_jobs_at_work_than_it_may(store: JobStore) -> None:
    held = await order(store, "held", 4, QueueShare(concurrent=2))
    first, second = await taken(store), await taken(store)
    assert await store.next("one", 0) is None  # although workers are free
    (other,) = await order(store, "other")
    assert await places(store, [*held[2:], other]) == [2, 3, 1]
    assert (await taken(store)).job == other
    await store.made(first, a_picture())
    assert (await taken(store)).job == held[2]
    assert await store.next("one", 0) is None
    await store.release(second, charge=True)
    assert (await taken(store)).job == held[1]  # which stood before
    assert await store.next("one", 0) is None


async def test_limit_of_jobs_at_work_is_what_the_newest_order_says(store: JobStore) -> None:
    await order(store, "held", 3, QueueShare(concurrent=1))
    await taken(store)
    assert await store.next("one", 0) is None
    await order(store, "held", 1, QueueShare(concurrent=2))
    await taken(store)
    assert await store.next("one", 0) is None
    await order(store, "held", 1)
    assert len([await taken(store) for _ in range(3)]) == 3


async def test_worker_that_waits_is_woken_by_an_order_and_by_the_end_of_a_job(store: JobStore) -> None:
    async with asyncio.timeout(20):
        waits = asyncio.create_task(store.next("one", LONG_MS))
        await order(store, "held", 2, QueueShare(concurrent=1))
        first = await waits
        assert first is not None
        waits = asyncio.create_task(store.next("one", LONG_MS))
        await store.made(first, a_picture())
        assert await waits is not None


async def test_each_worker_that_waits_is_woken_where_there_is_work_for_it(
    store: JobStore, redis: "Redis"
) -> None:
    async with asyncio.timeout(20):
        waits = [asyncio.create_task(store.next(f"{number}", 60_000)) for number in range(5)]
        while len([1 for each in await redis.client_list() if each["cmd"] == "blpop"]) < 5:
            await asyncio.sleep(0.01)
        await order(store, "studio", 5)
        claims = await asyncio.gather(*waits)
    assert len({claim.job.id for claim in claims if claim}) == 5
    assert await redis.exists(WAKE) == 0


async def test_what_is_remembered_of_keys_without_jobs_has_a_bound(store: JobStore, redis: "Redis") -> None:
    for number in range(300):
        await order(store, f"key-{number}", share=QueueShare(Priority.BATCH))
        await store.fail(await taken(store))
    assert await redis.zcard(LAST_TURNS) < 100


async def enqueue_as_before(redis: "Redis", job: Job) -> None:
    """As a server of the version before does."""
    when_s, _ = await redis.time()
    deadline = (when_s + 300) * 1000
    record: Any = {
        "record": msgspec.json.encode(job), "owner": job.owner, "state": "IN_QUEUE", "progress": "0",
        "attempt": "0", "charged": "0", "deadline": deadline, "keep_s": 600,
        "seq": await redis.incr("imgen:seq"),
    }  # fmt: skip
    record["entry"] = await redis.xadd(QUEUE, {"id": job.id})
    await redis.hset(f"{JOB_PREFIX}{job.id}", mapping=record)
    await redis.zadd(OPEN, {job.id: deadline})
    await redis.sadd(f"{OPEN_PREFIX}{job.owner}", job.id)
    await redis.zadd(WAITING, {job.id: record["seq"]})


async def test_jobs_that_the_version_before_queued_are_drawn(store: JobStore, redis: "Redis") -> None:
    before = [a_job("studio") for _ in range(250)]
    for job in before:
        await enqueue_as_before(redis, job)
    await store.prepare()  # as a new server does when it starts
    new = (await order(store, "another"))[0]
    assert await places(store, [before[0], new, before[1]]) == [1, 2, 3]
    claims = [await taken(store) for _ in range(3)]
    assert [claim.job for claim in claims] == [before[0], new, before[1]]
    assert all(0 <= claim.queue_ms < 60_000 for claim in claims)
    late = a_job("studio")
    await enqueue_as_before(redis, late)  # while servers of both versions run
    await store.cancel(before[2].id, before[2].owner)
    assert (await take_all(store)) == [job.id for job in [*before[3:], late]]
    assert await redis.xlen(QUEUE) == 3


async def test_job_that_the_version_before_had_at_work_is_taken_over(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await enqueue_as_before(redis, job)
    found: Any = await redis.xreadgroup("workers", "killed", {QUEUE: ">"})
    ((_, ((entry, _),)),) = found
    state: Any = {"state": "IN_PROGRESS", "attempt": "1", "charged": "1"}
    await redis.hset(f"{JOB_PREFIX}{job.id}", mapping=state)
    await redis.zrem(WAITING, job.id)
    await redis.xclaim(QUEUE, "workers", "killed", 0, [entry], idle=60_000)
    claim = await taken(store)
    assert (claim.job, claim.attempt) == (job, 2)


async def test_job_that_the_version_before_has_ended_leaves_its_line(store: JobStore, redis: "Redis") -> None:
    ended, job = await order(store, "studio", 2)
    await redis.hset(f"{JOB_PREFIX}{ended.id}", "state", "CANCELLED")
    await redis.zrem(WAITING, ended.id)
    await redis.srem(f"{OPEN_PREFIX}studio", ended.id)
    assert (await taken(store)).job == job


@pytest.mark.redis
async def test_nothing_is_lost_when_redis_is_killed(tmp_path: Path) -> None:
    part = redis_part(tmp_path)
    process = await start(part, tmp_path)
    redis = connect(part.url)
    store = JobStore(redis, Settings(job_lease_s=0.5))
    await store.prepare()
    jobs = [*await order(store, "a", 3), *await order(store, "b", 3, QueueShare(Priority.BATCH, 1))]
    at_work = [await taken(store) for _ in range(3)]
    before = await places(store, jobs)
    process.kill()
    await stop(part, process)
    process = await start(part, tmp_path)
    try:
        assert await places(store, jobs) == before
        began = [claim.job.id for claim in at_work]
        async with asyncio.timeout(20):
            while len(began) < len(at_work) + len(jobs):  # their leases end: they are started again
                if claim := await store.next("two", 50):
                    began.append(claim.job.id)
                    await store.fail(claim)
        assert sorted(began) == sorted([*(claim.job.id for claim in at_work), *(job.id for job in jobs)])
        assert await redis.xlen(QUEUE) == 0
    finally:
        await redis.aclose()
        await stop(part, process)
