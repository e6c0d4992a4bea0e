"""What a key has used is counted once, whatever happened on the way, in the real Redis."""

import asyncio
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from contract.redis_keys import DRAWN_PREFIX, JOB_PREFIX, ORDERS_PREFIX, USAGE_PREFIX
from frontend.common.errors import ApiError
from frontend.domain.cache_entry import CachedPicture
from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.quota import Quota
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.scripts import LUA
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import KeyTerms
from frontend.keys.usage import MAX_DAYS, MEASURES, Usage, Used, today, total
from frontend.settings import ROOT, Settings
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict
from tests.lossy_redis import wired

PICTURE = msgspec.structs.replace(
    a_picture(), timings_ms={"queue": 1.0, "encode": 10.4, "denoise": 200.0, "decode": 30.0, "finish": 7.0}
)
OWNER = "studio"
JOBS, KILLS = 84, 6


@pytest.fixture
async def store(redis: "Redis") -> JobStore:
    store = JobStore(redis, Settings())
    await store.prepare()
    return store


async def used(redis: "Redis", owner: str = OWNER) -> Used:
    return total(await Usage(redis).rows([owner], today(), today()))


async def drawn(store: JobStore, job: Job, picture: StoredPicture = PICTURE) -> None:
    await store.accept(job, b"", None)
    claim = await store.next("one", 100)
    assert claim and await store.made(claim, picture)


async def test_picture_counts_with_its_engine_time_and_bytes_by_model_and_character(
    store: JobStore, redis: "Redis"
) -> None:
    plain = msgspec.structs.replace(a_job(), character="", model="vega")
    for job in (a_job(), a_job(), plain):
        await drawn(store, job)
        assert await store.judge(job.id, a_verdict())
    rows = await Usage(redis).rows([OWNER, "nobody"], today(), today())
    two = Used(jobs=2, pictures=2, engine_ms=480, bytes=18)
    assert {(row.model, row.character): row.used for row in rows} == {
        ("eros", "aya"): two,
        ("vega", ""): Used(jobs=1, pictures=1, engine_ms=240, bytes=9),
    }
    assert await Usage(redis).ever() == msgspec.structs.asdict(total(rows))


async def test_blocked_picture_is_a_picture_and_blocked(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await drawn(store, job)
    unsafe = a_verdict(compliance="unsafe")
    assert await store.judge(job.id, unsafe)
    assert not await store.judge(job.id, unsafe)
    found = await used(redis)
    assert (found.pictures, found.blocked) == (1, 1)


async def test_cached_answer_is_a_job_and_no_picture(store: JobStore, redis: "Redis") -> None:
    maker = a_job("maker")
    await drawn(store, maker)
    job = msgspec.structs.replace(a_job(), id=maker.id.replace("run_", "cache_"))
    assert await store.serve(job, CachedPicture(job=maker, picture=PICTURE, verdict=a_verdict()), None)
    assert await used(redis) == Used(jobs=1, cached=1)


async def test_job_that_ends_without_a_picture_is_a_job_alone(store: JobStore, redis: "Redis") -> None:
    cancelled, failed = a_job(), a_job()
    await store.accept(cancelled, b"", None)
    await store.cancel(cancelled.id, OWNER)
    await store.accept(failed, b"", None)
    claim = await store.next("one", 100)
    assert claim
    await store.fail(claim)
    assert await used(redis) == Used(jobs=2)


@pytest.mark.parametrize("script", ["accept", "made", "judge"])
async def test_answer_that_is_lost_counts_once(
    script: str, redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with wired(redis_url, tmp_path) as (wire, client):
        store = JobStore(client, Settings())
        await store.prepare()
        job = a_job()
        await drawn(store, a_job())  # the scripts are known from here on
        mark = {"accept": job.id, "made": "pictures/", "judge": '"compliance"'}[script]
        if script == "accept":
            wire.lose_answer_to(mark)
        await store.accept(job, b"", None)
        claim = await store.next("one", 100)
        assert claim
        if script == "made":
            wire.lose_answer_to(mark)
        assert await store.made(claim, PICTURE)
        if script == "judge":
            wire.lose_answer_to(mark)
        await store.judge(job.id, a_verdict(compliance="unsafe"))
        assert wire.lost == 1
    found = await used(redis)
    assert (found.jobs, found.pictures, found.blocked) == (2, 2, 1)


async def test_overtaken_attempt_does_not_count(store: JobStore, redis: "Redis") -> None:
    job = a_job()
    await store.accept(job, b"", None)
    slow = await store.next("slow", 100)
    assert slow
    await store.release(slow, charge=True)
    quick = await store.next("quick", 100)
    assert quick
    assert await store.made(quick, PICTURE)
    assert not await store.made(slow, msgspec.structs.replace(PICTURE, sha256="c" * 64))
    assert (await used(redis)).pictures == 1


async def test_counts_are_exact_when_whoever_works_is_killed_again_and_again(
    redis: "Redis", redis_url: str, store: JobStore
) -> None:
    jobs = [a_job() for _ in range(JOBS)]
    for job in jobs:
        await store.accept(job, b"", None)
    for kills in range(KILLS):
        process = await working(redis_url, kills)
        while await redis.xlen("imgen:pictures") < (kills + 1) * JOBS // (KILLS + 1):
            assert process.returncode is None
            await asyncio.sleep(0.002)
        process.kill()
        assert await process.wait() < 0
    assert await (await working(redis_url, KILLS)).wait() == 0
    views: list[Any] = [await redis.hgetall(f"{JOB_PREFIX}{job.id}") for job in jobs]
    assert {view[b"state"] for view in views} == {b"COMPLETED"}
    blocked = sum(b'"unsafe"' in view[b"verdict"] for view in views)
    # Each picture took as many ms as the attempt that made it says; attempts that were killed took none.
    took = [msgspec.json.decode(view[b"picture"])["timings_ms"]["denoise"] for view in views]
    assert await used(redis) == Used(
        jobs=JOBS, pictures=JOBS, blocked=blocked, engine_ms=int(sum(took)), bytes=JOBS * PICTURE.bytes
    )


async def working(redis_url: str, seed: int) -> asyncio.subprocess.Process:
    program = "tests.frontend.jobs.work"
    return await asyncio.create_subprocess_exec(sys.executable, "-m", program, redis_url, str(seed), cwd=ROOT)


# Limits


async def refusal(store: JobStore, terms: KeyTerms) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await store.accept(a_job(), b"", None, terms=terms)
    return raised.value


async def test_no_more_jobs_than_a_day_has(store: JobStore, redis: "Redis") -> None:
    terms, quotas = KeyTerms(daily=3), list[Quota]()
    for _ in range(3):
        await store.accept(a_job(), b"", None, terms=terms, quotas=quotas)
    assert [(each.name, each.left) for each in quotas] == [("daily", left) for left in (2, 1, 0)]
    error = await refusal(store, terms)
    assert (error.status, error.message) == (429, "Daily limit of jobs is reached")
    assert error.detail == "This key may order 3 jobs a day (UTC)"
    now = datetime.now(UTC)
    left_s = 86_400 - (now.hour * 3_600 + now.minute * 60 + now.second)
    assert abs(int(error.headers["Retry-After"]) - left_s) <= 60
    await store.accept(a_job("other"), b"", None, terms=terms)
    await store.accept(a_job(), b"", None, terms=KeyTerms(daily=5))  # as soon as it may have more
    yesterday = f"{ORDERS_PREFIX}{OWNER}:2020-01-01"
    await redis.rename(f"{ORDERS_PREFIX}{OWNER}:{today()}", yesterday)
    await store.accept(a_job(), b"", None, terms=terms)


async def test_no_more_pictures_than_the_months_budget(store: JobStore, redis: "Redis") -> None:
    terms, quotas = KeyTerms(monthly=2), list[Quota]()
    first, second = a_job(), a_job()
    await store.accept(first, b"", None, terms=terms, quotas=quotas)
    await store.accept(second, b"", None, terms=terms, quotas=quotas)
    assert [(each.name, each.left) for each in quotas] == [("monthly", 1), ("monthly", 0)]
    # Both are only ordered: one may fail, so it is worth asking again soon.
    assert (await refusal(store, terms)).headers["Retry-After"] == "5"
    await store.cancel(second.id, OWNER)
    third = a_job()
    await store.accept(third, b"", None, terms=terms)
    for _ in range(2):
        claim = await store.next("one", 100)
        assert claim and await store.made(claim, PICTURE)
    error = await refusal(store, terms)
    assert (error.status, error.message) == (429, "Monthly budget of pictures is used up")
    assert int(error.headers["Retry-After"]) > 5 or today().day >= 28
    await redis.rename(f"{DRAWN_PREFIX}{OWNER}:{today():%Y-%m}", f"{DRAWN_PREFIX}{OWNER}:2020-01")
    await store.accept(a_job(), b"", None, terms=terms)


async def test_repeated_order_is_answered_when_the_day_is_used_up(store: JobStore) -> None:
    terms, repeat, job = KeyTerms(daily=1), IdempotencyKey(OWNER, "once", "body"), a_job()
    for _ in range(2):
        assert await store.accept(job, b"", repeat, terms=terms) == job.id
    assert await store.accept(a_job(), b"", repeat, terms=terms) == job.id


async def test_cached_answers_count_in_the_day_and_not_in_the_months_budget(store: JobStore) -> None:
    cached = CachedPicture(job=a_job("maker"), picture=PICTURE, verdict=a_verdict())
    for terms, most in ((KeyTerms(monthly=1), 3), (KeyTerms(daily=4), 1)):
        for _ in range(most):
            assert await store.serve(a_job(), cached, None, terms=terms)
    with pytest.raises(ApiError, match="Daily limit of jobs is reached"):
        await store.serve(a_job(), cached, None, terms=KeyTerms(daily=4))


async def test_what_is_counted_is_forgotten_in_the_end(store: JobStore, redis: "Redis") -> None:
    await drawn(store, a_job())
    day = 86_400
    for name, days in (
        (f"{USAGE_PREFIX}{OWNER}:{today()}", MAX_DAYS),
        (f"{ORDERS_PREFIX}{OWNER}:{today()}", 2),
        (f"{DRAWN_PREFIX}{OWNER}:{today():%Y-%m}", 32),
    ):
        assert (days - 1) * day < await redis.ttl(name) <= days * day


@pytest.mark.parametrize(
    "day", ["1970-01-01", "2000-02-29", "2024-12-31", "2026-11-29", "2100-03-01", "2400-02-29"]
)
async def test_scripts_know_the_calendar(day: str, redis: "Redis") -> None:
    text = (LUA / "_usage.lua").read_text()
    calendar = text[text.index("local function date_of") : text.index("-- A counter that lives")]
    when = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    ms = int(when.timestamp() * 1000)
    asked = "local ms = tonumber(ARGV[1]) return {date_of(ms), date_of(ms + 86399999), month_end(ms)}"
    first, last, end = await redis.eval(calendar + asked, 0, str(ms))
    assert (first.decode(), last.decode()) == (day, day)
    following = datetime(when.year + when.month // 12, when.month % 12 + 1, 1, tzinfo=UTC)
    assert int(end) == int(following.timestamp() * 1000)


def test_measures_are_those_that_scripts_count() -> None:
    text = "".join(path.read_text() for path in LUA.glob("*.lua"))
    assert all(f"'{name}'" in text for name in MEASURES)
