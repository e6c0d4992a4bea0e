"""A Redis that takes no writes is found out, and the words say where to look. The Redis is real."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract.redis_keys import READY
from embedded.part import free_port, running
from embedded.redis import redis_part
from frontend.common.probe import NotReady
from frontend.common.redis_connection import connect_to_probe
from frontend.common.redis_probe import check_redis

pytestmark = pytest.mark.redis


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator["Redis"]:
    """A Redis that a test may spoil."""
    async with AsyncExitStack() as stack:
        part = redis_part(tmp_path)
        await stack.enter_async_context(running(part, tmp_path))
        redis = connect_to_probe(part.url)
        stack.push_async_callback(redis.aclose)
        yield redis


async def fault_of(redis: "Redis") -> str:
    with pytest.raises(NotReady) as caught:
        await check_redis(redis)
    return str(caught.value)


async def test_redis_that_takes_writes_is_ready_and_keeps_nothing_for_long(own: "Redis") -> None:
    await check_redis(own)
    assert 0 < await own.ttl(READY) <= 60


async def test_read_only_replica_is_told_by_the_settings_name(own: "Redis") -> None:
    await own.replicaof("127.0.0.1", free_port())
    assert (await fault_of(own)).startswith("IMGEN_REDIS_URL: that Redis is a read-only replica")


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("min-replicas-to-write", "1", "Redis: has fewer replicas than its min-replicas-to-write"),
        ("maxmemory", "1", "Redis: all of its maxmemory is in use"),
    ],
)
async def test_refused_write_is_told(own: "Redis", setting: str, value: str, told: str) -> None:
    await own.config_set(setting, value)
    assert (await fault_of(own)).startswith(told)


async def test_redis_that_cannot_save_to_its_disk_is_told(own: "Redis") -> None:
    """Its working folder is one where nobody can write, not even root."""
    await own.config_set("save", "900 1")
    await own.config_set("dir", "/proc")
    await own.bgsave()
    info: dict[str, Any] = {}
    while info.get("rdb_last_bgsave_status") != "err":
        info = await own.info("persistence")
    assert (await fault_of(own)).startswith("Redis: cannot write to its disk")


async def test_user_who_may_not_write_is_told(own: "Redis", tmp_path: Path) -> None:
    await own.acl_setuser(
        "reader", enabled=True, passwords=["+a-password"], keys=["*"], categories=["+@read"]
    )
    await own.config_set("requirepass", "the-password")
    socket = own.connection_pool.connection_kwargs["path"]
    for user, told in (
        ("reader:a-password@", "IMGEN_REDIS_URL: its user may not write"),
        ("reader:another@", "IMGEN_REDIS_URL: wrong user or password"),
        (":another@", "IMGEN_REDIS_URL: wrong user or password"),
        ("", "IMGEN_REDIS_URL: wrong user or password, or none"),
    ):
        redis = connect_to_probe(f"unix://{user}{socket}?db=1")
        try:
            fault = await fault_of(redis)
        finally:
            await redis.aclose()
        assert fault.startswith(told), user
        assert not user or user.strip(":@") not in fault


async def test_nothing_there_is_told_without_the_url() -> None:
    redis = connect_to_probe(f"redis://:a-password@127.0.0.1:{free_port()}")
    try:
        assert await fault_of(redis) == "IMGEN_REDIS_URL: Redis does not answer (ConnectionError)"
    finally:
        await redis.aclose()
