from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from embedded.part import running
from embedded.redis import redis_part


@pytest.mark.redis
async def test_memory_has_the_bound_that_is_set_and_one_where_none_is(tmp_path: Path) -> None:
    for max_mb in (100, 0):
        part = redis_part(tmp_path, max_mb)
        async with running(part, tmp_path):
            client = Redis.from_url(part.url)
            memory: dict[str, Any] = await client.info("memory")
            await client.aclose()
        assert memory["maxmemory_policy"] == "noeviction"
        if max_mb:
            assert memory["maxmemory"] == max_mb << 20
        else:
            assert 0.4 < memory["maxmemory"] / memory["total_system_memory"] <= 0.5
