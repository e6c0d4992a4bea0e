"""The state machine of a job against the real Redis."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contract.redis_keys import JOB_PREFIX, QUEUE, STORED_PREFIX, SWEPT, TAKEN_DOWN, WORKERS
from frontend.common.errors import ApiError
from frontend.domain.cache_entry import CachedPicture
from frontend.domain.job import RECORD_VERSION, Job
from frontend.domain.job_state import (
    Completed,
    Failed,
    JobState,
    Queued,
    Reviewing,
    Running,
    StoredState,
    TimedOut,
)
from frontend.jobs.claim import Claim
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.store import MAX_STARTS, SILENT_LEASES, JobStore, max_stored_jobs
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict
from tests.lossy_redis import unknown_to_the_next_master, wired

SETTINGS = Settings(job_lease_s=0.5, job_attempts=2)


@pytest.fixture
async def store(redis: "Redis") -> JobStore:
    store = JobStore(redis, SETTINGS)
    await store.prepare()
    return store


async def taken(store: JobStore, consumer: str = "one") -> Claim:
    claim = await store.next(consumer, 100)
    assert claim is not None
    return claim


async def fall_silent(redis: "Redis", claim: Claim, lease_s: float = SETTINGS.job_lease_s) -> None:
    """As if the claim's worker had not been heard of for longer than a lease."""
    entry: Any = await redis.hget(f"imgen:job:{claim.job.id}", "entry")
    await redis.xclaim(QUEUE, WORKERS, claim.consumer, 0, [entry], idle=int(lease_s * 2_000))


async def state_of(store: JobStore, job: Job) -> type[JobState]:
    state = await store.read(job.id, job.owner)
    assert state is not None
    return type(state)


async def test_job_goes_from_queue_to_completed(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"mark", None)
    claim = await taken(store)
    assert (claim.job, claim.attempt, claim.watermark) == (job, 1, b"mark")
    assert await store.beat(claim, 0.5)
    view = await store.read(job.id, job.owner)
    assert view == Running(job, 0.5)
    assert await store.made(claim, a_picture())
    assert await state_of(store, job) is Reviewing
    assert await store.judge(job.id, a_verdict())
    view = await store.read(job.id, job.owner)
    assert view == Completed(job, a_picture(), a_verdict())


async def test_another_owner_sees_no_job(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    assert await store.read(job.id, "somebody else") is None
    assert await store.cancel(job.id, "somebody else") is None


async def test_positions_follow_the_order_of_acceptance(store: JobStore) -> None:
    jobs = [a_job() for _ in range(3)]
    for job in jobs:
        await store.accept(job, b"", None)
    await taken(store)
    views = await asyncio.gather(*(store.read(job.id, job.owner) for job in jobs))
    assert [view.position if isinstance(view, Queued) else None for view in views] == [None, 1, 2]


async def test_silent_worker_loses_the_job_and_its_late_picture_is_refused(
    store: JobStore, redis: "Redis"
) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    stale = await taken(store, "dead")
    assert await store.next("other", 10) is None
    await fall_silent(redis, stale)
    fresh = await taken(store, "other")
    assert fresh.attempt == 2
    assert not await store.beat(stale)
    assert not await store.made(stale, a_picture("b" * 64))
    await store.fail(stale)
    assert await store.made(fresh, a_picture())
    view = await store.read(job.id, job.owner)
    assert isinstance(view, Reviewing) and view.picture == a_picture()


async def test_start_that_a_new_master_has_not_heard_of_holds_nothing(
    store: JobStore, redis: "Redis"
) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    async with unknown_to_the_next_master(redis):
        unknown = await taken(store, "one")
    known = await taken(store, "two")
    assert unknown.attempt == known.attempt
    assert not await store.beat(unknown)
    assert not await store.made(unknown, a_picture("b" * 64))
    await store.fail(unknown)
    await store.release(unknown, charge=False)
    assert await store.made(known, a_picture())
    assert not await store.made(unknown, a_picture())


async def test_lease_that_began_before_the_clock_was_set_back_ends(store: JobStore, redis: "Redis") -> None:
    """Redis' clock was an hour ahead when the worker took the job, and then died."""
    await store.accept(a_job(), b"", None)
    claim = await taken(store, "dead")
    ahead_ms = (await redis.time())[0] * 1000 + 3_600_000
    entry: Any = await redis.hget(f"imgen:job:{claim.job.id}", "entry")
    await redis.xclaim(QUEUE, WORKERS, "dead", 0, [entry], time=ahead_ms)
    await redis.set(SWEPT, ahead_ms)
    await store.sweep()
    async with asyncio.timeout(30):
        while (again := await store.next("other", 10)) is None:
            await store.sweep()
    assert again.job == claim.job


async def test_beating_keeps_the_lease(store: JobStore, redis: "Redis") -> None:
    await store.accept(a_job(), b"", None)
    claim = await taken(store)
    for _ in range(2):
        await fall_silent(redis, claim)
        assert await store.beat(claim)
        assert await store.next("other", 10) is None


async def test_job_fails_after_its_attempts(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    for _ in range(SETTINGS.job_attempts):
        await store.release(await taken(store), charge=True)
    assert await store.next("one", 10) is None
    view = await store.read(job.id, job.owner)
    assert view == Failed(job, "Generation failed")


async def test_uncharged_release_keeps_the_attempts_and_never_repeats_a_token(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    tokens = []
    for _ in range(5):
        claim = await taken(store)
        tokens.append(claim.attempt)
        await store.release(claim, charge=False)
    assert tokens == [1, 2, 3, 4, 5]
    assert await state_of(store, job) is Queued


async def test_cancelled_job_is_never_taken_and_a_running_one_loses_its_lease(store: JobStore) -> None:
    waiting, running = a_job(), a_job()
    await store.accept(running, b"", None)
    claim = await taken(store)
    await store.accept(waiting, b"", None)
    assert await store.cancel(waiting.id, waiting.owner) is StoredState.IN_QUEUE
    assert await store.cancel(running.id, running.owner) is StoredState.IN_PROGRESS
    assert not await store.beat(claim)
    assert not await store.made(claim, a_picture())
    assert await store.next("one", 10) is None
    assert await store.cancel(running.id, running.owner) is StoredState.CANCELLED


async def test_deadline_times_out_waiting_and_running_jobs_but_not_made_ones(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, job_deadline_s=0.2, job_lease_s=5))
    await store.prepare()
    made, running, waiting = a_job(), a_job(), a_job()
    for job in (made, running, waiting):
        await store.accept(job, b"", None)
    assert await store.made(await taken(store), a_picture())
    await taken(store)
    async with asyncio.timeout(10):
        while await state_of(store, waiting) is not TimedOut:
            await store.sweep()
    assert await state_of(store, running) is TimedOut
    assert await state_of(store, made) is Reviewing
    await store.fail_unjudged(made.id)
    view = await store.read(made.id, made.owner)
    assert view == Failed(made, "Compliance review unavailable")


async def test_review_that_fails_before_the_deadline_changes_nothing(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await store.made(await taken(store), a_picture())
    await store.fail_unjudged(job.id)
    assert await state_of(store, job) is Reviewing


async def test_verdict_on_other_bytes_is_refused_and_the_first_one_stays(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await store.made(await taken(store), a_picture())
    assert not await store.judge(job.id, a_verdict("b" * 64))
    assert await store.judge(job.id, a_verdict())
    assert not await store.judge(job.id, msgspec.structs.replace(a_verdict(), ruleset="strict"))


async def test_idempotency_key_returns_the_first_job_and_refuses_another_body(store: JobStore) -> None:
    first, second = a_job(), a_job()
    once = IdempotencyKey("studio", "key", "body")
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


async def test_nothing_is_left_of_a_finished_job_but_its_record_and_its_picture(
    store: JobStore, redis: "Redis"
) -> None:
    job = a_job()
    await store.accept(job, b"mark", None)
    await store.made(await taken(store), a_picture())
    await store.judge(job.id, a_verdict())
    left: set[Any] = set(await redis.keys("imgen:*"))
    kept = {f"imgen:job:{job.id}".encode(), b"imgen:stored:studio"}
    # By key and day, see test_usage.py; see tests/frontend/audit.
    used = (b"imgen:usage", b"imgen:orders:", b"imgen:drawn:", b"imgen:audit")
    turns = {b"imgen:turns:clock", b"imgen:turns:last"}
    found = {name for name in left if not name.startswith(used)}
    assert found == kept | turns | {b"imgen:queue", b"imgen:seq", b"imgen:pictures"}
    assert await redis.xlen("imgen:queue") == 0
    assert not await redis.hexists(f"imgen:job:{job.id}", "mark")
    assert 0 < await redis.ttl(f"imgen:job:{job.id}") <= SETTINGS.job_keep_s


async def consumers(redis: "Redis") -> set[bytes]:
    return {known["name"] for known in await redis.xinfo_consumers(QUEUE, WORKERS)}


async def until_all_were_silent(redis: "Redis", seconds: float) -> None:
    async with asyncio.timeout(10):
        while any(known["idle"] <= 1_000 * seconds for known in await redis.xinfo_consumers(QUEUE, WORKERS)):
            await asyncio.sleep(0.01)


async def test_silent_worker_is_found_behind_many_busy_ones(redis: "Redis") -> None:
    store = JobStore(redis, Settings())  # a lease that does not end during the test
    await store.prepare()
    for _ in range(25):
        await store.accept(a_job(), b"", None)
    claims = [await taken(store, "busy") for _ in range(24)]
    claims.append(await taken(store, "dead"))
    await fall_silent(redis, claims[-1], Settings().job_lease_s)
    assert (await taken(store, "other")).job == claims[-1].job


async def test_entry_deleted_while_it_was_pending_hides_no_job(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, job_lease_s=0.05))
    await store.prepare()
    entry = await redis.xadd(QUEUE, {"id": "run_gone"})
    await redis.xreadgroup(WORKERS, "dead", {QUEUE: ">"})
    await redis.xdel(QUEUE, entry)
    async with asyncio.timeout(10):
        while not await redis.xpending_range(QUEUE, WORKERS, "-", "+", 1, idle=50):
            await asyncio.sleep(0.01)
    job = a_job()
    await store.accept(job, b"", None)
    assert (await taken(store)).job == job


async def test_record_that_cannot_be_read_fails_its_job_and_no_other(store: JobStore, redis: "Redis") -> None:
    broken, job = a_job(), a_job()
    await store.accept(broken, b"", None)
    await store.accept(job, b"", None)
    await redis.hset(f"imgen:job:{broken.id}", "record", b"{")
    assert (await taken(store)).job == job
    assert await redis.hget(f"imgen:job:{broken.id}", "state") == b"FAILED"


async def test_entry_that_names_no_job_is_cleared_away(store: JobStore, redis: "Redis") -> None:
    await redis.xadd(QUEUE, {"odd": "entry"})
    assert await store.next("one", 10) is None
    assert await redis.xlen(QUEUE) == 0


async def test_job_that_is_never_charged_fails_in_the_end(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await store.accept(job, b"", None)
    await redis.hset(f"imgen:job:{job.id}", "attempt", MAX_STARTS - 1)
    await store.release(await taken(store), charge=False)
    assert await store.next("one", 10) is None
    assert await state_of(store, job) is Failed


async def test_watermarks_of_all_waiting_jobs_have_a_bound(redis: "Redis") -> None:
    store = JobStore(redis, SETTINGS, max_watermark_bytes=10)
    await store.prepare()
    first, plain, second = a_job(), a_job(), a_job()
    await store.accept(first, b"123456", None)
    with pytest.raises(ApiError, match="Queue is full") as refused:
        await store.accept(second, b"12345", None)
    assert (refused.value.status, "Retry-After" in refused.value.headers) == (503, True)
    await store.accept(plain, b"", None)
    await store.cancel(first.id, first.owner)
    await store.accept(second, b"1234567890", None)
    assert (await taken(store)).job == plain
    await store.made(await taken(store), a_picture())
    assert await redis.exists("imgen:marks") == 0


async def test_repeated_order_finds_its_job_as_long_as_its_key_lives(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, job_keep_s=60))
    await store.prepare()
    repeated, plain = a_job(), a_job()
    once = IdempotencyKey("studio", "key", "body")
    await store.accept(repeated, b"", once)
    await store.accept(plain, b"", None)
    for job in (repeated, plain):
        await store.cancel(job.id, job.owner)
    assert await redis.ttl(f"imgen:job:{repeated.id}") >= await redis.ttl(once.redis_key) > 86_000
    assert await redis.ttl(f"imgen:job:{plain.id}") <= 60


async def test_unfinished_job_is_kept_until_it_ends(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await store.accept(job, b"", None)
    assert await redis.ttl(f"imgen:job:{job.id}") == -1


async def test_consumers_of_killed_processes_go_once_they_hold_nothing(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, job_lease_s=0.1))
    await store.prepare()
    job = a_job()
    await store.next("killed idle", 1)
    await store.accept(job, b"", None)
    await taken(store, "killed at work")
    await until_all_were_silent(redis, SILENT_LEASES * 0.1)
    await store.next("alive", 1)
    # The job went to the living one; it is the only thing that kept the second one here.
    await store.sweep()
    assert await consumers(redis) == {b"alive"}
    await until_all_were_silent(redis, SILENT_LEASES * 0.1)
    await store.sweep()
    assert await consumers(redis) == {b"alive"}  # it holds a job, however silent it is
    await store.forget("alive")
    assert await consumers(redis) == {b"alive"}
    await store.cancel(job.id, job.owner)
    await store.forget("alive")
    assert await consumers(redis) == set()


async def test_lost_answers_change_nothing(store: JobStore, redis_url: str, tmp_path: Path) -> None:
    """The client asks again by itself when the connection breaks after a script was carried out."""
    async with wired(redis_url, tmp_path) as (wire, redis):
        wired_store = JobStore(redis, SETTINGS)
        job = a_job()
        wire.lose_answer_to(job.owner)
        assert await wired_store.accept(job, b"", None) == job.id
        wire.lose_answer_to(f"{SETTINGS.job_attempts}\r\n$3\r\n{MAX_STARTS}")  # the end of `take`
        claim = await taken(wired_store)
        assert claim.attempt == 1
        wire.lose_answer_to("p.jpg")
        assert await wired_store.made(claim, a_picture())
        assert await wired_store.judge(job.id, a_verdict())
        other = a_job()
        await wired_store.accept(other, b"", None)
        wire.lose_answer_to(other.id)
        assert await wired_store.cancel(other.id, other.owner) is StoredState.IN_QUEUE
        assert await wired_store.cancel(other.id, other.owner) is StoredState.CANCELLED
        assert wire.lost == 4


async def test_picture_recorded_before_it_was_judged_is_still_this_attempts(store: JobStore) -> None:
    job = a_job()
    await store.accept(job, b"", None)
    claim = await taken(store)
    assert await store.made(claim, a_picture())
    await store.judge(job.id, a_verdict())
    assert await store.made(claim, a_picture())
    assert not await store.made(claim, a_picture("b" * 64))


async def test_key_that_stores_too_many_jobs_is_refused_until_one_expires(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, key_stored_jobs=3, job_keep_s=600, job_deadline_s=60))
    await store.prepare()
    jobs = [a_job() for _ in range(2)]
    for job in jobs:
        await store.accept(job, b"", None)
        assert await store.cancel(job.id, job.owner) is StoredState.IN_QUEUE
    shown = CachedPicture(job=jobs[0], picture=a_picture(), verdict=a_verdict())
    await store.serve(a_job(), shown, None)
    for refused in (store.accept(a_job(), b"", None), store.serve(a_job(), shown, None)):
        with pytest.raises(ApiError, match="Too many stored jobs for this key") as raised:
            await refused
        assert raised.value.status == 429
        assert 590 <= int(raised.value.headers["Retry-After"]) <= 600
    assert await store.accept(jobs[0], b"", None) == jobs[0].id  # asked again, it is no other one
    await store.accept(a_job("somebody else"), b"", None)
    await redis.zincrby(f"{STORED_PREFIX}studio", -600_000, jobs[0].id)  # as if its time were over
    await store.accept(a_job(), b"", None)
    assert await redis.zcard(f"{STORED_PREFIX}studio") == 3


async def test_stored_jobs_are_counted_until_they_expire_and_no_longer(
    store: JobStore, redis: "Redis"
) -> None:
    async def differ_ms(job_id: str) -> float:
        """Between the count's time for a job and that of the job itself."""
        score: Any = await redis.zscore(f"{STORED_PREFIX}studio", job_id)
        now_s, micros = await redis.time()
        return float(score) - now_s * 1000 - micros / 1000 - await redis.pttl(f"{JOB_PREFIX}{job_id}")

    cancelled, judged = a_job(), a_job()
    await store.accept(cancelled, b"", None)
    await store.cancel(cancelled.id, cancelled.owner)
    await store.accept(judged, b"", None)
    claim = await taken(store)
    assert await store.made(claim, a_picture())
    assert abs(await differ_ms(judged.id)) < 2_000
    await redis.zadd(f"{STORED_PREFIX}studio", {judged.id: 1})
    assert await store.judge(judged.id, a_verdict())  # which keeps the job for another day
    shown = a_job()
    await store.serve(shown, CachedPicture(job=judged, picture=a_picture(), verdict=a_verdict()), None)
    for job in (cancelled, judged, shown):
        assert abs(await differ_ms(job.id)) < 2_000
    lasts = await redis.pttl(f"{STORED_PREFIX}studio")
    assert 0 <= lasts - await redis.pttl(f"{JOB_PREFIX}{judged.id}") < 2_000


async def test_pictures_handed_out_at_once_have_each_an_outcome_of_their_own(redis: "Redis") -> None:
    store = JobStore(redis, replace(SETTINGS, key_stored_jobs=1))
    await store.prepare()
    made = CachedPicture(job=a_job(), picture=a_picture(), verdict=a_verdict())
    gone = CachedPicture(job=a_job(), picture=a_picture(), verdict=a_verdict())
    await redis.hset(TAKEN_DOWN, gone.job.gen_id, "[]")
    jobs = [made.job_for(a_job()), gone.job_for(a_job("other")), made.job_for(a_job())]
    served, taken_down, refused = await asyncio.gather(
        *(store.serve(job, cached, None) for job, cached in zip(jobs, (made, gone, made), strict=True)),
        return_exceptions=True,
    )
    assert (served, taken_down) == (jobs[0].id, None)
    assert isinstance(refused, ApiError) and refused.status == 429


async def test_script_that_fails_is_an_error_of_its_own_job_alone(store: JobStore, redis: "Redis") -> None:
    made = CachedPicture(job=a_job(), picture=a_picture(), verdict=a_verdict())
    broken, fine = made.job_for(a_job("broken")), made.job_for(a_job())
    await redis.set(f"{STORED_PREFIX}broken", "no sorted set")
    failed, served = await asyncio.gather(
        store.serve(broken, made, None), store.serve(fine, made, None), return_exceptions=True
    )
    assert isinstance(failed, RedisError) and served == fine.id


async def test_picture_that_is_handed_out_for_ever_remembers_no_jobs_that_are_gone(
    store: JobStore, redis: "Redis"
) -> None:
    made = CachedPicture(job=a_job(), picture=a_picture(), verdict=a_verdict())
    shown = [made.job_for(a_job()) for _ in range(3)]
    for job in shown[:2]:
        await store.serve(job, made, None)
    (jobs,) = await redis.keys("imgen:cache:of:*")
    await redis.zadd(jobs, {shown[0].id: 1}, xx=True)  # it has expired
    await store.serve(shown[2], made, None)
    assert set(await redis.zrange(jobs, 0, -1)) == {job.id.encode() for job in shown[1:]}


def test_default_quota_holds_a_day_of_what_the_queue_lets_through() -> None:
    for settings in (Settings(), Settings(job_deadline_s=30.0), Settings(queue_limit=10, key_jobs_limit=100)):
        full_queues = settings.job_keep_s / settings.job_deadline_s
        assert max_stored_jobs(settings) >= settings.queue_limit * full_queues + settings.key_jobs_limit
    assert max_stored_jobs(Settings(key_stored_jobs=7)) == 7


async def test_job_of_a_later_version_is_left_in_its_line_and_others_are_taken(
    redis: "Redis", store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    later, own = a_job("ahead"), a_job("studio")
    await store.accept(later, b"", None)
    await redis.hset(f"imgen:job:{later.id}", "version", RECORD_VERSION + 1)
    await store.accept(own, b"", None)
    claim = await taken(store)
    assert claim.job.id == own.id
    await store.fail(claim)
    assert await store.next("one", 0) is None
    assert [record.message for record in caplog.records if "later version" in record.message] == [
        "jobs of a later version wait; they are left to workers that can read them"
    ]
    state = await store.read(later.id, "ahead")
    assert isinstance(state, Queued) and state.position == 1
    await redis.hset(f"imgen:job:{later.id}", "version", RECORD_VERSION)  # as a worker that knows it reads it
    assert (await taken(store)).job.id == later.id


async def test_only_a_job_with_a_styles_lora_is_of_the_version_that_knows_them(
    redis: "Redis", store: JobStore
) -> None:
    jobs = [a_job(), msgspec.structs.replace(a_job(), style="ink", style_strength=0.5)]
    for job in jobs:
        await store.accept(job, b"", None)
    found = [await redis.hget(f"imgen:job:{job.id}", "version") for job in jobs]
    assert found == [b"1", str(RECORD_VERSION).encode()]


async def test_job_of_a_later_version_whose_worker_fell_silent_is_not_started_by_others(
    redis: "Redis",
) -> None:
    store = JobStore(redis, replace(SETTINGS, job_lease_s=0.05))
    await store.prepare()
    job = a_job()
    await store.accept(job, b"", None)
    claim = await taken(store)
    await redis.hset(f"imgen:job:{job.id}", "version", RECORD_VERSION + 1)
    await until_all_were_silent(redis, 0.05)
    assert await store.next("two", 0) is None
    assert await redis.hget(f"imgen:job:{job.id}", "attempt") == str(claim.attempt).encode()


async def test_jobs_that_a_model_is_still_needed_for_are_counted(store: JobStore, redis: "Redis") -> None:
    jobs = [msgspec.structs.replace(a_job(f"key{number % 3}"), model="mine") for number in range(450)]
    for job in [*jobs, a_job()]:
        await store.accept(job, b"", None)
    assert await store.count_undrawn("mine") == 450
    assert (await store.count_undrawn("eros"), await store.count_undrawn("none")) == (1, 0)
    claim = await taken(store)
    left = 450 - (claim.job.model == "mine")
    assert await store.made(claim, a_picture())  # what is drawn needs it no more
    for job in [job for job in jobs if job.id != claim.job.id][:10]:
        await store.cancel(job.id, job.owner)
        left -= 1
    assert await store.count_undrawn("mine") == left
