from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.api.harness import Api, api


@pytest.fixture
async def server(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    async with api(redis_url, tmp_path) as running:
        yield running
