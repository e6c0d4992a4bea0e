"""The cache of one process, from opening to closing."""

import contextlib
from collections.abc import AsyncIterator

from redis.asyncio import Redis

from frontend.cache.cache import Cache, Exists
from frontend.cache.log import Log
from frontend.cache.replica import EncodesPrompts, Replica
from frontend.cache.settings import CacheSettings
from frontend.common.supervised import in_background


@contextlib.asynccontextmanager
async def open_cache(
    settings: CacheSettings, redis: "Redis", encoder: EncodesPrompts, exists: Exists
) -> AsyncIterator[Cache]:
    source = Log(redis, settings.cache_capacity)
    replica = Replica(source, encoder, settings)
    async with (
        in_background(replica.follow()),
        in_background(replica.upkeep()),
        in_background(replica.snapshots()),
    ):
        yield Cache(source, replica, encoder, exists, shared=settings.cache_shared)
