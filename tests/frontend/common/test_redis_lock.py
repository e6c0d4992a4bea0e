"""One holder at a time, whatever happens to the holder or to the wire."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from frontend.common.redis_lock import Lock
from tests.lossy_redis import wired


async def test_second_one_is_refused_until_the_first_gives_it_back(redis: "Redis") -> None:
    lock = Lock(redis, 60)
    async with lock.attempt("a") as first, lock.attempt("a") as second, lock.attempt("b") as other:
        assert (first, second, other) == (True, False, True)
    async with lock.attempt("a") as again:
        assert again


async def test_refused_one_does_not_give_back_what_is_not_its_own(redis: "Redis") -> None:
    lock = Lock(redis, 60)
    async with lock.attempt("a"):
        async with lock.attempt("a"):
            pass
        async with lock.attempt("a") as third:
            assert not third


async def test_error_gives_it_back(redis: "Redis") -> None:
    with pytest.raises(RuntimeError):
        async with Lock(redis, 60).attempt("a"):
            raise RuntimeError
    assert await redis.exists("a") == 0


async def test_dead_holders_lock_ends(redis: "Redis") -> None:
    async with Lock(redis, 60).attempt("a"):
        assert 0 < await redis.pttl("a") <= 60_000


async def test_lost_answer_does_not_lock_its_asker_out(
    redis_url: str, redis: "Redis", tmp_path: Path
) -> None:
    async with wired(redis_url, tmp_path) as (wire, near):
        wire.lose_answer_to("60000")
        async with Lock(near, 60).attempt("a") as ours:
            assert ours and wire.lost == 1
