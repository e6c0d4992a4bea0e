"""Prometheus metrics of this process."""

import asyncio
import datetime
import functools

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from frontend.cache.index.index import Index
from frontend.services import Services

REQUESTS = Counter("imgen_http_requests", "Answers by route and status", ["route", "status"])
SECONDS = Histogram(
    "imgen_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
WAITING = Gauge("imgen_jobs_waiting", "Jobs in the queue, over all servers")
OPEN = Gauge("imgen_jobs_unfinished", "Jobs waiting or at work, over all servers")

CACHED = Gauge("imgen_cache_pictures", "Pictures in this process's copy of the cache")
CACHE_BYTES = Gauge("imgen_cache_bytes", "Memory of this process's copy of the cache, about")
CACHE_PARTITIONS = Gauge("imgen_cache_partitions", "Partitions of this process's copy of the cache")
CACHE_WHOLE = Gauge(
    "imgen_cache_whole_searches", "Look-ups that had to read a whole partition, since this process began"
)
CERTIFICATE_ENDS = Gauge(
    "imgen_certificate_expires_timestamp_seconds", "When the content credentials' certificate ends, Unix time"
)
CERTIFICATE_ENDING = Gauge("imgen_certificate_expiring", "1 from 30 days before that certificate's end on")


def observe(request: web.Request, status: int, seconds: float) -> None:
    """The route's pattern, never the path: paths are for clients to choose."""
    resource = request.match_info.route.resource
    route = resource.canonical if resource else "none"
    counter, histogram = _of(route, status)
    counter.inc()
    histogram.observe(seconds)


@functools.cache
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking them up by label takes longer than counting. As many as there are routes and statuses."""
    return REQUESTS.labels(route, status), SECONDS.labels(route)


async def page(services: Services) -> web.Response:
    WAITING.set(await services.redis.zcard("imgen:waiting"))
    OPEN.set(await services.redis.zcard("imgen:open"))
    await asyncio.to_thread(_cache, services.cache.index)
    certificate = services.certificate
    CERTIFICATE_ENDS.set(certificate.expires.timestamp())
    CERTIFICATE_ENDING.set(bool(certificate.warning(datetime.datetime.now(datetime.UTC))))
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _cache(index: Index | None) -> None:
    partitions = index.statistics() if index else []
    CACHED.set(sum(partition.items for partition in partitions))
    CACHE_BYTES.set(sum(partition.memory for partition in partitions))
    CACHE_PARTITIONS.set(len(partitions))
    CACHE_WHOLE.set(index.whole_searches if index else 0)
