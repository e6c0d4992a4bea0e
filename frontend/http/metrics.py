"""Prometheus metrics of this process."""

import asyncio
import functools
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Set
from contextlib import AbstractContextManager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

from frontend.common.errors import ApiError
from frontend.common.version import __version__
from frontend.http.health import Health

log = logging.getLogger(__name__)
REFRESH_S = 4.0  # less than a scrape waits
LIMITS = (408, 413, 429, 503)
MAX_LIMITS = 50

REQUESTS = Counter("imgen_http_requests", "Answers by route and status", ["route", "status"])
REFUSED = Counter("imgen_http_refused_connections", "Connections that were given up, and why", ["reason"])
for _reason in ("connections", "malformed", "pipelined", "protocol", "slow reader"):
    REFUSED.labels(_reason)
SECONDS = Histogram(
    "imgen_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
ACTION_SECONDS = Histogram(
    "imgen_action_seconds",
    "Time of an action of POST /api/v2, refused ones included, by its name",
    ["action"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
LIMITS_HIT = Counter(
    "imgen_limits_hit",
    "Requests refused because a limit was hit (408, 413, 429, 503), by the words that the client was told",
    ["limit"],
)
PART_UP = Gauge("imgen_part_up", "1 where a part works that this server needs, as /readyz tells", ["part"])
UNREAD = Gauge("imgen_metrics_unread", "Groups of gauges that could not be read for this answer: old values")
INFO = Gauge("imgen_build_info", "Always 1; the version is the label", ["version"])
INFO.labels(__version__).set(1)


def observe(request: web.Request, status: int, seconds: float) -> None:
    counter, histogram = _of(route_of(request), status)
    counter.inc()
    histogram.observe(seconds)


def route_of(request: web.Request) -> str:
    """The route's pattern, never the path: paths are for clients to choose."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"


@functools.cache
def _of(route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking them up by label takes longer than counting. As many as there are routes and statuses."""
    return REQUESTS.labels(route, status), SECONDS.labels(route)


def timed_action(name: str) -> AbstractContextManager[object]:
    return _seconds_of(name).time()


@functools.cache
def _seconds_of(name: str) -> Histogram:
    return ACTION_SECONDS.labels(name)


@functools.cache
def _limit(words: str) -> Counter:
    """As many as there are words for them: a bound, should one of them ever tell a number."""
    if _limit.cache_info().currsize >= MAX_LIMITS:
        return LIMITS_HIT.labels("other")
    return LIMITS_HIT.labels(re.sub("[^a-z0-9]+", "_", words.lower()).strip("_"))


def count_refusal(error: ApiError) -> None:
    if error.status in LIMITS:
        _limit(error.message).inc()


async def refresh_parts(health: Health, absent: Set[str]) -> None:
    """But for those that are `absent`."""
    found = (await health.check()).parts
    PART_UP.clear()
    for part, works in found.items():
        if part not in absent:
            PART_UP.labels(part).set(works)


async def page(refreshers: Iterable[Callable[[], Awaitable[None]]]) -> web.Response:
    """`refreshers`: set the gauges that are read when somebody looks. A part that is away, as Redis may be,
    leaves its own as they were, and the others are told all the same."""
    read = await asyncio.gather(*map(_refresh, refreshers))
    UNREAD.set(read.count(False))
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _refresh(refresh: Callable[[], Awaitable[None]]) -> bool:
    try:
        async with asyncio.timeout(REFRESH_S):
            await refresh()
    except Exception as error:
        log.debug("gauges are not read: %s", type(error).__name__)
        return False
    return True
