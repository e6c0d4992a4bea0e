"""Gauges of this process's copy of the cache."""

import asyncio

from prometheus_client import Gauge

from frontend.cache.cache import Cache
from frontend.cache.index.index import CacheIndex

PICTURES = Gauge("imgen_cache_pictures", "Pictures in this process's copy of the cache")
BYTES = Gauge("imgen_cache_bytes", "Memory of this process's copy of the cache, about")
PARTITIONS = Gauge("imgen_cache_partitions", "Partitions of this process's copy of the cache")
WHOLE_SEARCHES = Gauge(
    "imgen_cache_whole_searches", "Look-ups that had to read a whole partition, since this process began"
)


async def refresh(cache: Cache) -> None:
    await asyncio.to_thread(_set, cache.index)


def _set(index: CacheIndex | None) -> None:
    partitions = index.statistics() if index else []
    PICTURES.set(sum(partition.items for partition in partitions))
    BYTES.set(sum(partition.memory for partition in partitions))
    PARTITIONS.set(len(partitions))
    WHOLE_SEARCHES.set(index.whole_searches if index else 0)
