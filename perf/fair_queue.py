"""Orders of several keys through the queue's own scripts in a real Redis, on a clock that nobody waits for.

When an order comes and how long its picture takes is given; which order is next, the scripts say.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from frontend.domain.job import Job
from frontend.jobs.claim import Claim
from frontend.jobs.queue_share import ORDINARY, QueueShare
from frontend.jobs.store import JobStore
from frontend.settings import Settings

# Nothing ends because real time passes.
SETTINGS = Settings(
    queue_limit=1_000_000, key_jobs_limit=1_000_000, job_deadline_s=86_400.0, job_lease_s=600.0
)
GREEDY = "greedy"


@dataclass(frozen=True)
class TimedOrder:
    at: float  # s
    key: str
    draws_s: float
    share: QueueShare = ORDINARY


@dataclass(frozen=True)
class DrawnOrder:
    order: TimedOrder
    began: float  # s

    @property
    def queued_s(self) -> float:
        return self.began - self.order.at

    @property
    def waited_s(self) -> float:
        """From the order to the picture."""
        return self.queued_s + self.order.draws_s


def modest_orders(
    seed: int, *, keys: int, per_s: float, until_s: float, draws_s: tuple[float, float]
) -> list[TimedOrder]:
    """Of keys that order by chance, all alike; `per_s` of all together."""
    chance = random.Random(seed)
    orders = []
    for number in range(keys):
        at = chance.expovariate(per_s / keys)
        while at < until_s:
            orders.append(TimedOrder(at, f"modest-{number}", chance.uniform(*draws_s)))
            at += chance.expovariate(per_s / keys)
    return orders


def greedy_orders(
    seed: int, *, at_once: int, every_s: float, until_s: float, draws_s: tuple[float, float]
) -> list[TimedOrder]:
    """Of one key that always has some in the queue."""
    chance = random.Random(-1 - seed)
    batches = range(int(until_s / every_s) + 1)
    return [
        TimedOrder(number * every_s, GREEDY, chance.uniform(*draws_s))
        for number in batches
        for _ in range(at_once)
    ]


async def draw_all(
    redis: "Redis", orders: Sequence[TimedOrder], job: Job, *, workers: int, one_line: bool = False
) -> list[DrawnOrder]:
    """In the order in which they began. `job`: what each of them is, but for id and owner. `one_line`: the
    queue is first come, first served, as all are of one key."""
    store = JobStore(redis, SETTINGS)
    await store.prepare()
    events: list[tuple[float, int, TimedOrder | Claim]] = [
        (order.at, number, order) for number, order in enumerate(orders)
    ]
    heapq.heapify(events)
    accepted: dict[str, TimedOrder] = {}
    drawn: list[DrawnOrder] = []
    free = workers
    while events:
        now, _, event = heapq.heappop(events)
        if isinstance(event, Claim):
            await store.fail(event)
            free += 1
        else:
            owner = "all" if one_line else event.key
            new = msgspec.structs.replace(job, id=f"run_{len(accepted):020}", owner=owner)
            accepted[await store.accept(new, b"", None, share=event.share)] = event
        while free and (claim := await store.next("simulation", 0)):
            free -= 1
            order = accepted[claim.job.id]
            drawn.append(DrawnOrder(order, now))
            heapq.heappush(events, (now + order.draws_s, len(orders) + len(drawn), claim))
    return drawn


def p95(values: Sequence[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]
