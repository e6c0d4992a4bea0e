"""A thousand GPUs, as one Redis sees them: its scripts in a real one, on a clock that nobody waits for."""

import random
from dataclasses import dataclass

from redis.asyncio import Redis

from frontend.domain.job import Job
from perf.fair_queue import TimedOrder, draw_all

KEYS = 200


@dataclass(frozen=True)
class Simulated:
    orders: int
    wait_p50_s: float  # from the order to its start
    wait_p99_s: float
    redis_us: float  # of all commands for a picture: accepted, started, ended
    busy: float  # share of the GPUs' places that drew


async def simulate(
    redis: "Redis", job: Job, *, gpus: int, slots: int, seconds: float, load: float, until_s: float, seed: int
) -> Simulated:
    chance = random.Random(seed)
    places, at = gpus * slots, 0.0
    per_s = load * places / seconds
    orders: list[TimedOrder] = []
    while (at := at + chance.expovariate(per_s)) < until_s:
        orders.append(TimedOrder(at, f"key-{chance.randrange(KEYS)}", seconds))
    await redis.flushall()
    await redis.config_resetstat()
    drawn = await draw_all(redis, orders, job, workers=places)
    waits = sorted(each.queued_s for each in drawn)
    told = await redis.info("commandstats")
    # What a script calls is counted in the script's own time.
    ours = ("evalsha", "xpending", "xclaim", "blpop")
    spent = sum(float(told.get(f"cmdstat_{name}", {"usec": 0})["usec"]) for name in ours)
    ends = max(each.began for each in drawn) + seconds
    return Simulated(
        orders=len(drawn),
        wait_p50_s=round(waits[len(waits) // 2], 3),
        wait_p99_s=round(waits[int(0.99 * len(waits))], 3),
        redis_us=round(spent / len(drawn), 1),
        busy=round(len(drawn) * seconds / (places * ends), 3),
    )
