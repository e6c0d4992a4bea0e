"""What becomes of jobs, how long each stage takes, and the queue, which all servers share."""

import time
from datetime import datetime

from prometheus_client import Counter, Gauge, Histogram
from redis.asyncio import Redis

from contract.redis_keys import OPEN, WAITING
from frontend.domain.picture import Finished, StoredPicture
from frontend.jobs.claim import Claim
from frontend.jobs.memory import RedisMemory
from frontend.jobs.store import JobStore

WAITING_JOBS = Gauge("imgen_jobs_waiting", "Jobs in the queue, over all servers")
UNFINISHED_JOBS = Gauge("imgen_jobs_unfinished", "Jobs waiting or at work, over all servers")
OLDEST_SECONDS = Gauge(
    "imgen_jobs_oldest_waiting_seconds", "Since the oldest job in the queue was accepted, over all servers"
)
WORKING = Gauge("imgen_jobs_working", "Jobs that this server works on")
WORKERS = Gauge("imgen_workers", "Jobs that this server can work on at a time")
UNSTORED_PICTURES = Gauge(
    "imgen_pictures_unstored",
    "Finished pictures of this server that are being stored, or wait to be",
)
REDIS_MEMORY = Gauge(
    "imgen_redis_memory_used_ratio", "Share of Redis' maxmemory that is in use; 0 where it has none"
)
ATTEMPTS = Counter(
    "imgen_attempts",
    "Starts of jobs by this server, by outcome: made, lost (cancelled, timed out or taken over), or what was "
    "to blame for the failure: order, work, servers",
    ["outcome"],
)
STAGE_SECONDS = Histogram(
    "imgen_stage_seconds",
    "Time that made pictures took, by stage: wait (in the queue), encode, denoise, decode, finish, store",
    ["stage"],
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300),
)
STEP_SECONDS = Histogram(
    "imgen_denoise_step_seconds",
    "Time of one denoising step, the mean of each made picture",
    buckets=(0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
FINISHING_SECONDS = Histogram(
    "imgen_finishing_seconds",
    "Time of each part of finishing: mark, invisible_mark, fingerprint, encode, sign, thumbnail",
    ["part"],
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3),
)
PICTURE_SECONDS = Histogram(
    "imgen_picture_seconds",
    "Time from the acceptance of a job to its made and stored picture",
    buckets=(0.3, 0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300),
)
_NAMES = {"queue": "wait"}  # of what a client's `timings` call so


async def refresh(redis: "Redis", jobs: JobStore, memory: RedisMemory) -> None:
    """Raises RedisError."""
    REDIS_MEMORY.set(memory.used)
    WAITING_JOBS.set(await redis.zcard(WAITING))
    UNFINISHED_JOBS.set(await redis.zcard(OPEN))
    OLDEST_SECONDS.set(await jobs.oldest_waiting_s())


def observe_made(
    claim: Claim, stored: StoredPicture, finished: Finished, store_s: float, since_claim_s: float
) -> None:
    """`since_claim_s`: from its being taken from the queue to its picture's being recorded."""
    for stage, spent_ms in stored.timings_ms.items():
        STAGE_SECONDS.labels(_NAMES.get(stage, stage)).observe(spent_ms / 1000)
    STAGE_SECONDS.labels("store").observe(store_s)
    for part, spent_ms in finished.timings_ms.items():
        FINISHING_SECONDS.labels(part).observe(spent_ms / 1000)
    if "denoise" in stored.timings_ms:
        STEP_SECONDS.observe(stored.timings_ms["denoise"] / 1000 / claim.job.steps)
    PICTURE_SECONDS.observe(max(claim.queue_ms / 1000 + since_claim_s, _age_s(claim)))


def _age_s(claim: Claim) -> float:
    """Of a job that was begun more than once; its record knows the second. The first time the queue knows."""
    return time.time() - datetime.fromisoformat(claim.job.time).timestamp() if claim.attempt > 1 else 0.0
