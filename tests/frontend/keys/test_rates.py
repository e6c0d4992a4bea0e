"""Buckets of tokens in the real Redis."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contract.redis_keys import RATE_PREFIX
from frontend.common.errors import ApiError
from frontend.keys.api_keys import KeyRecord
from frontend.keys.rates import RateClass, Rates, rates_of
from frontend.keys.token_stock import Rate
from frontend.settings import Settings
from tests.lossy_redis import wired

KEY, OTHER = (KeyRecord(id=name, name=name, created="", digest="") for name in ("a", "b"))
NEVER = 1e-4  # tokens a second: none comes back while a test runs


def rates(redis: "Redis", per_s: float, burst: int) -> Rates:
    return Rates(redis, dict.fromkeys(RateClass, Rate(per_s, burst)))


async def refusal(rates: Rates, key: KeyRecord = KEY, of: RateClass = RateClass.POLLS) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await rates.admit(key, of)
    return raised.value


async def admitted(rates: Rates, most: int = 1_000) -> int:
    """How often POLLS lets KEY in before it refuses."""
    for count in range(most):
        try:
            await rates.admit(KEY, RateClass.POLLS)
        except ApiError:
            return count
    return most


async def scripts_run(redis: "Redis") -> int:
    stats: dict[str, Any] = await redis.info("commandstats")
    return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("eval", "evalsha"))


async def test_bucket_is_emptied_once_and_each_class_and_key_has_its_own(redis: "Redis") -> None:
    server = rates(redis, NEVER, 10)
    assert await admitted(server) == 10
    error = await refusal(server)
    assert (error.status, error.message) == (429, "Too many requests for this key")
    await server.admit(KEY, RateClass.ORDERS)
    await server.admit(OTHER, RateClass.POLLS)


@pytest.mark.parametrize("burst", [1, 7, 100, 1_000])
async def test_several_servers_together_let_in_what_one_would(redis: "Redis", burst: int) -> None:
    servers = [rates(redis, NEVER, burst) for _ in range(4)]
    count = 0
    while any(inside := [await admitted(server, 1) for server in servers]):
        count += sum(inside)
    assert count == burst


async def test_retry_after_is_when_there_is_a_token_again(redis: "Redis") -> None:
    await rates(redis, 0.2, 1).admit(KEY, RateClass.POLLS)
    bucket = f"{RATE_PREFIX}{KEY.id}:{RateClass.POLLS}"
    assert (await refusal(rates(redis, 0.2, 1))).headers["Retry-After"] == "5"
    await redis.hincrby(bucket, "at", -4_000)  # as if that were four seconds ago
    assert (await refusal(rates(redis, 0.2, 1))).headers["Retry-After"] == "1"
    await redis.hincrby(bucket, "at", -1_000)
    server = rates(redis, 0.2, 1)
    await server.admit(KEY, RateClass.POLLS)
    assert (await refusal(server)).headers == {
        "Retry-After": "5",
        "RateLimit-Policy": '"polls";q=1;w=5',
        "RateLimit": '"polls";r=0;t=5',
    }


async def test_server_that_refused_asks_again_when_it_said(redis: "Redis") -> None:
    server, loop = rates(redis, 4.0, 1), asyncio.get_running_loop()
    began = loop.time()  # before the token is taken: on a busy machine the answer comes late
    await server.admit(KEY, RateClass.POLLS)
    async with asyncio.timeout(10):
        while not await admitted(server, 1):
            await asyncio.sleep(0.01)
    assert loop.time() - began >= 0.2


async def test_clock_of_redis_that_was_set_back_keeps_nobody_out(redis: "Redis") -> None:
    assert await admitted(rates(redis, NEVER, 3)) == 3
    (bucket,) = await redis.keys(f"{RATE_PREFIX}*")
    await redis.hincrby(bucket, "at", 3_600_000)  # it was an hour ahead
    assert await admitted(rates(redis, NEVER, 3)) == 3
    assert await admitted(rates(redis, NEVER, 3)) == 0


async def test_bucket_never_holds_more_than_its_burst_and_is_forgotten_when_full(redis: "Redis") -> None:
    await rates(redis, 0.1, 3).admit(KEY, RateClass.POLLS)
    (bucket,) = await redis.keys(f"{RATE_PREFIX}*")
    assert 0 < await redis.pttl(bucket) <= 10_000
    await redis.hset(bucket, mapping={"left": "0", "at": "0"})
    await redis.persist(bucket)
    assert await admitted(rates(redis, NEVER, 3)) == 3


async def test_polls_cost_few_round_trips_and_refusals_none(redis: "Redis") -> None:
    server = rates(redis, NEVER, 1_000)
    before = await scripts_run(redis)
    assert await admitted(server) == 1_000
    calls = await scripts_run(redis) - before
    assert calls <= 1_000 // 20 + 2
    await refusal(server)
    emptied = await scripts_run(redis)
    for _ in range(50):
        await refusal(server)
    assert await scripts_run(redis) == emptied


async def test_many_at_once_wait_for_one_script(redis: "Redis") -> None:
    server = rates(redis, NEVER, 100)
    await server.admit(OTHER, RateClass.POLLS)  # the script is known from here on
    before = await scripts_run(redis)
    await asyncio.gather(*(server.admit(key, RateClass.POLLS) for key in (KEY, OTHER) for _ in range(50)))
    assert await scripts_run(redis) - before <= 3


@pytest.fixture
async def full(redis: "Redis") -> AsyncIterator["Redis"]:
    """A Redis that holds more than it may."""
    await redis.config_set("maxmemory", 1)
    yield redis
    await redis.config_set("maxmemory", 0)


async def test_polls_go_on_where_redis_is_full(full: "Redis") -> None:
    assert await admitted(rates(full, NEVER, 60)) == 60


async def test_nobody_is_let_in_unseen_where_redis_is_away(redis_url: str, tmp_path: Path) -> None:
    async with wired(redis_url, tmp_path) as (wire, client):
        await client.flushall()
        server = rates(client, NEVER, 10)
        wire.cut()
        with pytest.raises(RedisError):
            await server.admit(KEY, RateClass.POLLS)
        wire.mend()
        await server.admit(KEY, RateClass.POLLS)


@pytest.mark.parametrize("jobs", [1, 200, 1_000_000])
def test_by_default_a_key_can_poll_all_its_unfinished_jobs_every_second(jobs: int) -> None:
    found = rates_of(Settings(key_jobs_limit=jobs))
    for of in (RateClass.POLLS, RateClass.REQUESTS):
        assert found[of].per_s >= 1.5 * jobs
        assert found[of].burst >= 2 * jobs


def test_settings_say_how_much_of_each() -> None:
    settings = Settings(
        key_polls_per_s=7,
        key_orders_per_minute=120,
        key_prompts_per_minute=6,
        key_verify_per_minute=3,
        key_usage_per_minute=12,
    )
    assert rates_of(settings) == {
        RateClass.REQUESTS: Rate(14, 28),
        RateClass.POLLS: Rate(7, 14),
        RateClass.ORDERS: Rate(2.0, 120),
        RateClass.PROMPTS: Rate(0.1, 6),
        RateClass.VERIFICATIONS: Rate(0.05, 3),
        RateClass.USAGE: Rate(0.2, 12),
    }
