"""Deliveries against the real Redis: who may tell what came of one, and in which order they are due."""

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.redis_keys import CHANGES, WEBHOOK_LANES, WEBHOOK_PREFIX, WEBHOOKS_PENDING
from frontend.domain.job import Job
from frontend.domain.webhook import Webhook
from frontend.jobs.store import JobStore
from frontend.settings import Settings
from frontend.webhooks.delivery import DeliveryClaim, DeliveryState
from frontend.webhooks.store import KEEP_S, DeliveryStore
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict
from tests.lossy_redis import wired

LEASE_S = 60.0
WEBHOOK = Webhook(url="https://studio.example/imgen", origin="https://api.example")


@pytest.fixture
async def jobs(redis: "Redis") -> JobStore:
    jobs = JobStore(redis, Settings())
    await jobs.prepare()
    return jobs


@pytest.fixture
def deliveries(redis: "Redis") -> DeliveryStore:
    return DeliveryStore(redis)


async def cancelled(jobs: JobStore, webhook: Webhook = WEBHOOK, owner: str = "studio") -> Job:
    job = a_job(owner)
    await jobs.accept(job, b"", None, webhook)
    await jobs.cancel(job.id, owner)
    return job


async def claimed(deliveries: DeliveryStore, lease_s: float = LEASE_S, most: int = 10) -> list[DeliveryClaim]:
    return await deliveries.claim(lease_s, most, most, {})


async def test_delivery_is_claimed_once_until_its_lease_ends(
    jobs: JobStore, deliveries: DeliveryStore
) -> None:
    job = await cancelled(jobs)
    (first,) = await claimed(deliveries, lease_s=0.01)
    assert (first.job_id, first.owner, first.webhook, first.tries) == (job.id, "studio", WEBHOOK, 0)
    async with asyncio.timeout(5):
        while not (later := await claimed(deliveries)):
            await asyncio.sleep(0.005)
    assert later[0].attempt == first.attempt + 1
    assert await claimed(deliveries) == []
    assert not await deliveries.tried(first, DeliveryState.DELIVERED, "204")
    assert await deliveries.tried(later[0], DeliveryState.DELIVERED, "204")


async def test_ended_delivery_is_kept_for_a_day_and_pends_no_more(
    redis: "Redis", jobs: JobStore, deliveries: DeliveryStore
) -> None:
    job = await cancelled(jobs)
    assert await redis.hgetall(WEBHOOKS_PENDING) == {b"studio": b"1", b"*": b"1"}
    assert await redis.ttl(f"{WEBHOOK_PREFIX}{job.id}") == -1
    (claim,) = await claimed(deliveries)
    assert await deliveries.tried(claim, DeliveryState.GIVEN_UP, "503")
    assert not await deliveries.tried(claim, DeliveryState.DELIVERED, "204")
    assert KEEP_S - 5 < await redis.ttl(f"{WEBHOOK_PREFIX}{job.id}") <= KEEP_S
    assert await redis.hgetall(WEBHOOKS_PENDING) == {} and await redis.zcard(WEBHOOK_LANES) == 0


async def test_made_picture_is_due_at_once_and_again_with_its_verdict(
    jobs: JobStore, deliveries: DeliveryStore
) -> None:
    job = a_job()
    await jobs.accept(job, b"", None, WEBHOOK)
    assert await claimed(deliveries) == []
    claim = await jobs.next("one", 100)
    assert claim and await jobs.made(claim, a_picture())
    (found,) = await claimed(deliveries)
    await deliveries.wait(found, 60.0)
    assert await claimed(deliveries) == []
    assert await jobs.judge(job.id, a_verdict())
    (again,) = await claimed(deliveries)
    assert (again.tries, again.attempt) == (0, found.attempt + 1)


async def test_verdict_while_an_attempt_is_under_way_makes_no_second_one(
    jobs: JobStore, deliveries: DeliveryStore
) -> None:
    job = a_job()
    await jobs.accept(job, b"", None, WEBHOOK)
    claim = await jobs.next("one", 100)
    assert claim and await jobs.made(claim, a_picture())
    (found,) = await claimed(deliveries)
    assert await jobs.judge(job.id, a_verdict())
    assert await claimed(deliveries) == []
    await deliveries.wait(found, 60.0)  # which had read before the verdict
    assert len(await claimed(deliveries)) == 1


async def test_lane_in_use_gives_way_to_others(jobs: JobStore, deliveries: DeliveryStore) -> None:
    slow, quick = WEBHOOK, Webhook(url="https://127.0.0.1/imgen")
    assert slow.lane("studio") != quick.lane("studio")
    for _ in range(6):
        await cancelled(jobs, slow)
    job = await cancelled(jobs, quick)
    found = await deliveries.claim(LEASE_S, 10, 4, {slow.lane("studio"): 1})
    assert [each.webhook for each in found] == [slow, quick]
    assert found[1].job_id == job.id
    assert await deliveries.claim(LEASE_S, 10, 4, {slow.lane("studio"): 0}) == []
    assert len(await deliveries.claim(LEASE_S, 10, 4, {})) == 4


async def test_replay_is_another_hour_of_attempts(jobs: JobStore, deliveries: DeliveryStore) -> None:
    job = await cancelled(jobs)
    (claim,) = await claimed(deliveries)
    await deliveries.tried(claim, DeliveryState.PENDING, "503", wait_s=60.0)
    assert await claimed(deliveries) == []
    assert await deliveries.replay(job.id) == "pending"
    (claim,) = await claimed(deliveries)
    assert claim.tries == 1
    await deliveries.tried(claim, DeliveryState.GIVEN_UP, "503")
    assert await deliveries.replay(job.id) == "replayed"
    (again,) = await claimed(deliveries)
    assert again.tries == 0 and again.began >= claim.began


async def test_replay_of_what_is_not_there_is_told(
    redis: "Redis", jobs: JobStore, deliveries: DeliveryStore
) -> None:
    assert await deliveries.replay("run_a1b2c3d4e5f6g7h8i9j0") == "gone"
    job = await cancelled(jobs)
    await redis.delete(f"imgen:job:{job.id}")
    assert await deliveries.replay(job.id) == "expired"


async def test_address_is_in_no_message_and_in_no_record_that_others_read(
    redis: "Redis", jobs: JobStore
) -> None:
    """The record goes into the cache's log, which all keys are served from."""
    async with redis.pubsub() as channel:
        await channel.subscribe(CHANGES)
        job = await cancelled(jobs)
        state = await jobs.read(job.id, job.owner)
        assert state and "studio.example" not in str(state)
        assert b"studio.example" not in (await redis.hget(f"imgen:job:{job.id}", "record") or b"")


@pytest.mark.parametrize("lost_at", ["order", "end"])
async def test_lost_answer_makes_no_second_delivery(
    redis: "Redis", redis_url: str, tmp_path: Path, lost_at: str
) -> None:
    async with wired(redis_url, tmp_path) as (wire, client):
        jobs = JobStore(client, Settings())
        await jobs.prepare()
        await cancelled(jobs)  # so that Redis knows the scripts
        job = a_job()
        if lost_at == "order":
            wire.lose_answer_to(job.id)
        await jobs.accept(job, b"", None, WEBHOOK)
        if lost_at == "end":
            wire.lose_answer_to(job.id)
        await jobs.cancel(job.id, job.owner)
        assert wire.lost == 1
    assert await redis.hget(WEBHOOKS_PENDING, "studio") == b"2"
    assert len(await claimed(DeliveryStore(redis))) == 2
