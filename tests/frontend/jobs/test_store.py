"""The state machine of a job against the real Redis."""

import asyncio
from dataclasses import replace

import msgspec
import pytest
from redis.asyncio import Redis

from frontend.errors import ApiError
from frontend.jobs.record import CredentialTexts, Job, MarkOptions, State, StoredPicture, new_id
from frontend.jobs.store import Claim, JobStore, Once
from frontend.review import Verdict
from frontend.settings import Settings

SETTINGS = Settings(job_lease_s=0.5, job_attempts=2)
SHA = "a" * 64


def a_job(owner: str = "studio") -> Job:
    return Job(
        id=f"run_{new_id(20)}",
        gen_id=new_id(20),
        owner=owner,
        time="2026-01-02T03:04:05Z",
        prompt="@aya tree, -rain",
        positive="aya, tree",
        negative="rain",
        character="aya",
        model="eros",
        style="professional",
        width=1344,
        height=768,
        steps=8,
        guidance=3.0,
        seed=1,
        format="jpeg",
        quality=95,
        lossless=False,
        optimized=False,
        compliance_ruleset="default",
        precompliance="",
        mark=MarkOptions(position="center", scale=5, transparency=100, rotation=0, padding_x=0, padding_y=0),
        texts=CredentialTexts(author="", title="", description="", organization="", vendor=""),
    )


def a_picture(sha256: str = SHA) -> StoredPicture:
    return StoredPicture(
        sha256=sha256,
        key="pictures/p.jpg",
        filename="p.jpg",
        thumbnail_key="pictures/t.jpg",
        thumbnail_filename="t.jpg",
        fingerprint="f" * 64,
        timings_ms={"queue": 1.0},
    )


def a_verdict(sha256: str = SHA) -> Verdict:
    return Verdict(
        compliance="safe",
        codes=(),
        categories=(),
        sha256=sha256,
        ruleset="default",
        when="2026-01-02T03:04:06Z",
    )


@pytest.fixture
async def store(redis: "Redis") -> JobStore:
    store = JobStore(redis, SETTINGS)
    await store.prepare()
    return store


async def taken(store: JobStore, consumer: str = "one") -> Claim:
    claim = await store.next(consumer, 100)
    assert claim is not None
    return claim


async def state_of(store: JobStore, job: Job) -> State:
    view = await store.view(job.id, job.owner)
    assert view is not None
    return view.state


async def test_job_goes_from_queue_to_completed(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"mark", None)
    claim = await taken(store)
    assert (claim.job, claim.attempt, claim.mark) == (job, 1, b"mark")
    assert await store.beat(claim, 0.5)
    view = await store.view(job.id, job.owner)
    assert view and (view.state, view.progress, view.queue_position) == (State.IN_PROGRESS, 0.5, None)
    assert await store.made(claim, a_picture())
    assert await state_of(store, job) is State.REVIEWING
    assert await store.judge(job.id, a_verdict())
    view = await store.view(job.id, job.owner)
    assert view and view.state is State.COMPLETED and view.verdict == a_verdict()


async def test_another_owner_sees_no_job(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    assert await store.view(job.id, "somebody else") is None
    assert await store.cancel(job.id, "somebody else") is None


async def test_positions_follow_the_order_of_acceptance(store: JobStore) -> None:
    jobs = [a_job() for _ in range(3)]
    for job in jobs:
        await store.accept(job, b"", None)
    await taken(store)
    views = await asyncio.gather(*(store.view(job.id, job.owner) for job in jobs))
    assert [view and view.queue_position for view in views] == [None, 1, 2]


async def test_silent_worker_loses_the_job_and_its_late_picture_is_refused(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    stale = await taken(store, "dead")
    assert await store.next("other", 10) is None
    await asyncio.sleep(SETTINGS.job_lease_s + 0.05)
    fresh = await taken(store, "other")
    assert fresh.attempt == 2
    assert not await store.beat(stale)
    assert not await store.made(stale, a_picture("b" * 64))
    await store.fail(stale, "late")
    assert await store.made(fresh, a_picture())
    view = await store.view(job.id, job.owner)
    assert view and view.picture == a_picture()


async def test_beating_keeps_the_lease(store: JobStore) -> None:
    await store.accept(a_job(), b"", None)
    claim = await taken(store)
    for _ in range(4):
        await asyncio.sleep(SETTINGS.job_lease_s / 2)
        assert await store.beat(claim)
        assert await store.next("other", 10) is None


async def test_job_fails_after_its_attempts(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    for _ in range(SETTINGS.job_attempts):
        await store.release(await taken(store), charge=True)
    assert await store.next("one", 10) is None
    view = await store.view(job.id, job.owner)
    assert view and (view.state, view.error) == (State.FAILED, "Generation failed")


async def test_uncharged_release_keeps_the_attempts_and_never_repeats_a_token(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    tokens = []
    for _ in range(5):
        claim = await taken(store)
        tokens.append(claim.attempt)
        await store.release(claim, charge=False)
    assert tokens == [1, 2, 3, 4, 5]
    assert await state_of(store, job) is State.IN_QUEUE


async def test_cancelled_job_is_never_taken_and_a_running_one_loses_its_lease(store: JobStore) -> None:
    waiting, running = a_job(), a_job()
    await store.accept(running, b"", None)
    claim = await taken(store)
    await store.accept(waiting, b"", None)
    assert await store.cancel(waiting.id, waiting.owner) is State.IN_QUEUE
    assert await store.cancel(running.id, running.owner) is State.IN_PROGRESS
    assert not await store.beat(claim)
    assert not await store.made(claim, a_picture())
    assert await store.next("one", 10) is None
    assert await store.cancel(running.id, running.owner) is State.CANCELLED


async def test_deadline_times_out_waiting_and_running_jobs_but_not_made_ones(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, job_deadline_s=0.2, job_lease_s=5))
    await store.prepare()
    made, running, waiting = a_job(), a_job(), a_job()
    for job in (made, running, waiting):
        await store.accept(job, b"", None)
    assert await store.made(await taken(store), a_picture())
    await taken(store)
    await asyncio.sleep(0.25)
    await store.sweep()
    assert await state_of(store, waiting) is State.TIMED_OUT
    assert await state_of(store, running) is State.TIMED_OUT
    assert await state_of(store, made) is State.REVIEWING
    await store.unjudged(made.id)
    view = await store.view(made.id, made.owner)
    assert view and view.error == "Compliance review unavailable"


async def test_review_that_fails_before_the_deadline_changes_nothing(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await store.made(await taken(store), a_picture())
    await store.unjudged(job.id)
    assert await state_of(store, job) is State.REVIEWING


async def test_verdict_on_other_bytes_is_refused_and_the_first_one_stays(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await store.made(await taken(store), a_picture())
    assert not await store.judge(job.id, a_verdict("b" * 64))
    assert await store.judge(job.id, a_verdict())
    assert not await store.judge(job.id, msgspec.structs.replace(a_verdict(), ruleset="strict"))


async def test_idempotency_key_returns_the_first_job_and_refuses_another_body(store: JobStore) -> None:
    first, second = a_job(), a_job()
    once = Once("studio", "key", "body")
    assert await store.accepted_before(once) is None
    assert await store.accept(first, b"", once) == first.id
    assert await store.accept(second, b"", once) == first.id
    assert await store.accepted_before(once) == first.id
    with pytest.raises(ApiError) as refused:
        await store.accept(second, b"", replace(once, body="other"))
    assert refused.value.status == 409


async def test_accepting_the_same_job_twice_queues_it_once(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await store.accept(job, b"", None)
    await taken(store)
    assert await store.next("one", 10) is None


async def test_full_queue_and_greedy_key_are_refused(redis: "Redis") -> None:
    full = JobStore(redis, replace(SETTINGS, queue_limit=1))
    await full.prepare()
    await full.accept(a_job(), b"", None)
    with pytest.raises(ApiError) as refused:
        await full.accept(a_job(), b"", None)
    assert (refused.value.status, "Retry-After" in refused.value.headers) == (503, True)
    greedy = JobStore(redis, replace(SETTINGS, key_jobs_limit=1))
    with pytest.raises(ApiError) as refused:
        await greedy.accept(a_job(), b"", None)
    assert refused.value.status == 429
    await greedy.accept(a_job("another studio"), b"", None)


async def test_entry_without_a_job_is_cleared_away(store: JobStore, redis: "Redis") -> None:
    await redis.xadd("imgen:queue", {"id": "run_gone"})
    assert await store.next("one", 10) is None
    assert await redis.xlen("imgen:queue") == 0


async def test_nothing_is_left_of_a_finished_job_but_its_record(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await store.accept(job, b"mark", None)
    await store.made(await taken(store), a_picture())
    await store.judge(job.id, a_verdict())
    left = set(await redis.keys("imgen:*"))
    assert left == {f"imgen:job:{job.id}".encode(), b"imgen:queue", b"imgen:seq"}
    assert await redis.xlen("imgen:queue") == 0
    assert not await redis.hexists(f"imgen:job:{job.id}", "mark")
    assert 0 < await redis.ttl(f"imgen:job:{job.id}") <= SETTINGS.job_keep_s
