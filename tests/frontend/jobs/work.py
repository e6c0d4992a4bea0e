"""A process that draws nothing, and has each job made and judged, until it is killed or all are."""

import asyncio
import itertools
import random
import sys
from typing import Any

import msgspec

from contract.redis_keys import JOB_PREFIX
from frontend.common.redis_connection import connect
from frontend.jobs.store import JobStore
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_picture, a_verdict

WORKERS = 3


async def work(redis_url: str, seed: int) -> None:
    redis, chance = connect(redis_url), random.Random(seed)
    jobs = JobStore(redis, Settings(job_lease_s=0.5, job_attempts=100))

    async def judge(job_id: str) -> None:
        await jobs.judge(job_id, a_verdict(compliance="unsafe" if chance.random() < 0.5 else "safe"))

    async def one(name: str) -> None:
        for attempt in itertools.count():
            claim = await jobs.next(name, 50)
            if claim is None:
                if not await redis.zcard("imgen:open"):
                    return
                continue
            took = {"denoise": float(chance.randrange(1_000) + attempt)}
            if await jobs.made(claim, msgspec.structs.replace(a_picture(), timings_ms=took)):
                await judge(claim.job.id)

    known: list[Any] = await redis.keys(f"{JOB_PREFIX}*")
    for name in known:
        await judge(name.decode().removeprefix(JOB_PREFIX))
    await asyncio.gather(*(one(f"{seed}-{number}") for number in range(WORKERS)))


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], int(sys.argv[2])))
