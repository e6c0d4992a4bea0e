"""Gauges of the queue, which all servers share."""

from prometheus_client import Gauge
from redis.asyncio import Redis

from contract.redis_keys import OPEN, WAITING

WAITING_JOBS = Gauge("imgen_jobs_waiting", "Jobs in the queue, over all servers")
UNFINISHED_JOBS = Gauge("imgen_jobs_unfinished", "Jobs waiting or at work, over all servers")
UNSTORED_PICTURES = Gauge(
    "imgen_pictures_unstored",
    "Finished pictures of this server that are being stored, or wait to be",
)


async def refresh(redis: "Redis") -> None:
    WAITING_JOBS.set(await redis.zcard(WAITING))
    UNFINISHED_JOBS.set(await redis.zcard(OPEN))
