"""A key is looked up and its requests are counted in one round trip, in the real Redis."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from contract.redis_keys import RATE_PREFIX
from frontend.common.errors import ApiError
from frontend.keys.api_keys import Keys, KeyTerms
from frontend.keys.key_admission import KeyAdmission
from frontend.keys.token_stock import Rate

NEVER = Rate(1e-4, 40)  # no token comes back while a test runs
BLOCK = 2  # of its tokens


def admission(redis: "Redis", rate: Rate = NEVER) -> KeyAdmission:
    return KeyAdmission(redis, Keys(redis), rate)


async def a_key(redis: "Redis", **terms: Any) -> tuple[str, str]:
    """Its id, and the header that presents it."""
    record, secret = await Keys(redis).create("studio", terms=KeyTerms(**terms))
    return record.id, f"Bearer {secret}"


async def refused(server: KeyAdmission, header: str) -> ApiError:
    with pytest.raises(ApiError) as raised:
        await server.admit(header)
    return raised.value


async def admitted(server: KeyAdmission, header: str, most: int = 1_000) -> int:
    for count in range(most):
        try:
            await server.admit(header)
        except ApiError:
            return count
    return most


async def test_each_request_is_one_round_trip_whether_it_takes_tokens_or_not(redis: "Redis") -> None:
    server = admission(redis)
    _, header = await a_key(redis, rate=0.01)  # a block is one token
    await server.admit(header)  # the script is known from here on
    _, other = await a_key(redis)
    for asked, scripts, looks in ((other, 1, 1), (other, 0, 1)):
        await redis.config_resetstat()
        await server.admit(asked)
        stats: dict[str, Any] = await redis.info("commandstats")
        calls = {name: int(row["calls"]) for name, row in stats.items()}
        assert calls.get("cmdstat_evalsha", 0) == scripts
        assert (
            calls.get("cmdstat_hmget", 0) == looks
        )  # the script's at its bucket, or else the look-up itself


async def test_key_has_the_servers_rate_or_its_own(redis: "Redis") -> None:
    server = admission(redis)
    _, usual = await a_key(redis)
    _, own = await a_key(redis, rate=0.01)
    assert await admitted(server, usual) == NEVER.burst
    assert await admitted(server, own) == 1
    error = await refused(server, own)
    assert (error.message, error.detail) == (
        "Too many requests for this key",
        "Its limit of requests is 1 in 100 s",
    )
    assert 90 <= int(error.headers["Retry-After"]) <= 100


async def test_servers_let_in_together_what_one_would_and_tell_what_is_left(redis: "Redis") -> None:
    servers = [admission(redis) for _ in range(3)]
    _, header = await a_key(redis)
    left = []
    for at in range(NEVER.burst - 6):
        _, quota = await servers[at % 3].admit(header)
        left.append(quota.left)
        assert (quota.name, quota.most) == ("requests", NEVER.burst)
    # Each knows what Redis had when it looked: at most the others' blocks too much or its own too little.
    assert all(abs(told - (NEVER.burst - 1 - at)) <= 3 * BLOCK for at, told in enumerate(left))
    assert sum([await admitted(server, header) for server in servers]) == 6


async def test_many_at_once_are_let_in_up_to_the_rate(redis: "Redis") -> None:
    server = admission(redis)
    _, header = await a_key(redis)
    outcomes = await asyncio.gather(*(server.admit(header) for _ in range(60)), return_exceptions=True)
    assert sum(not isinstance(each, ApiError) for each in outcomes) == NEVER.burst


async def test_another_rate_counts_from_the_next_request_on(redis: "Redis") -> None:
    server = admission(redis)
    key_id, header = await a_key(redis, rate=0.01)
    await server.admit(header)
    await refused(server, header)
    await Keys(redis).set(key_id, {"rate": 1_000.0})
    await redis.hincrby(f"{RATE_PREFIX}{key_id}:requests", "at", -10)  # ms, in which ten come back
    assert await admitted(server, header, 5) == 5


async def test_both_secrets_of_a_key_share_its_rate(redis: "Redis") -> None:
    server = admission(redis)
    key_id, old = await a_key(redis, rate=0.02)
    new = f"Bearer {await Keys(redis).rotate(key_id, timedelta(hours=1))}"
    assert await admitted(server, old) + await admitted(server, new) == 1


async def test_who_has_no_key_takes_no_tokens_and_is_told_so_first(redis: "Redis") -> None:
    server = admission(redis)
    key_id, header = await a_key(redis, rate=0.01)
    for unknown in (None, "Bearer other", "Bearer imgen_unknown"):
        assert (await refused(server, unknown or "")).status == 401
    await server.admit(header)
    assert (await refused(server, header)).status == 429
    await Keys(redis).disable(key_id)
    assert (await refused(server, header)).status == 401
    assert await redis.keys(f"{RATE_PREFIX}*") == [f"{RATE_PREFIX}{key_id}:requests".encode()]
