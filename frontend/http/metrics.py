"""Prometheus metrics of this process."""

import functools
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

REQUESTS = Counter("imgen_http_requests", "Answers by route and status", ["route", "status"])
REFUSED = Counter("imgen_http_refused_connections", "Connections that were given up, and why", ["reason"])
SECONDS = Histogram(
    "imgen_http_request_seconds",
    "Time to answer",
    ["route"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)


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


async def page(refreshers: Iterable[Callable[[], Awaitable[None]]]) -> web.Response:
    """`refreshers`: set the gauges that are read when somebody looks."""
    for refresh in refreshers:
        await refresh()
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
