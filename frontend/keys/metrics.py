"""What keys have used, over all servers."""

from prometheus_client import Gauge

from frontend.keys.usage import Usage

USED = Gauge(
    "imgen_used",
    "What all keys have ever used, over all servers: jobs, pictures, blocked, cached, engine_ms, bytes",
    ["measure"],
)


async def refresh(usage: Usage) -> None:
    """Raises RedisError."""
    for measure, count in (await usage.ever()).items():
        USED.labels(measure).set(count)
