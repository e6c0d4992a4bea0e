"""Seeded arrivals of several keys, on a clock that nobody waits for, through the real scripts."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence

import pytest
from redis.asyncio import Redis

from frontend.jobs.queue_share import QueueShare
from frontend.keys.api_keys import Priority
from perf.fair_queue import (
    GREEDY,
    DrawnOrder,
    TimedOrder,
    draw_all,
    greedy_orders,
    modest_orders,
    p95,
)
from tests.frontend.jobs.orders import a_job

WORKERS, DRAWS_S = 8, (2.0, 6.0)
BATCH, INTERACTIVE = QueueShare(Priority.BATCH), QueueShare(Priority.INTERACTIVE)


def modest_p95_s(drawn: Sequence[DrawnOrder]) -> float:
    return p95([each.waited_s for each in drawn if each.order.key != GREEDY])


async def test_key_alone_gets_everything(redis: "Redis") -> None:
    orders = [TimedOrder(0, GREEDY, 4.0) for _ in range(80)]
    drawn = await draw_all(redis, orders, a_job(), workers=WORKERS)
    assert [each.began for each in drawn] == [4.0 * (number // WORKERS) for number in range(80)]


@pytest.fixture(autouse=True)
async def forgetful(redis: "Redis") -> AsyncIterator[None]:
    """Thousands of jobs need not be on disk."""
    await redis.config_set("appendfsync", "no")
    yield
    await redis.config_set("appendfsync", "always")


@pytest.mark.parametrize(("seed", "load"), [(1, 0.5), (2, 0.6), (3, 0.7)])
async def test_modest_keys_hardly_wait_longer_beside_a_greedy_one(
    redis: "Redis", seed: int, load: float
) -> None:
    """`load`: how much of all workers' time the modest ones alone ask for."""
    modest = modest_orders(seed, keys=9, per_s=load * WORKERS / 4, until_s=400, draws_s=DRAWS_S)
    greedy = greedy_orders(seed, at_once=200, every_s=100, until_s=400, draws_s=DRAWS_S)
    before = await draw_all(redis, modest, a_job(), workers=WORKERS)
    await redis.flushall()
    beside = await draw_all(redis, [*modest, *greedy], a_job(), workers=WORKERS)
    await redis.flushall()
    one_line = await draw_all(redis, [*modest, *greedy], a_job(), workers=WORKERS, one_line=True)
    assert len(beside) == len(one_line) == len(modest) + len(greedy)
    assert modest_p95_s(beside) <= 1.5 * modest_p95_s(before)
    assert modest_p95_s(one_line) > 10 * modest_p95_s(before)  # as it was


async def test_batch_work_gets_through_beside_keys_that_never_rest(redis: "Redis") -> None:
    busy = [TimedOrder(0, f"busy-{key}", 4.0, INTERACTIVE) for key in range(20) for _ in range(60)]
    batch = [TimedOrder(1.0, "batch", 4.0, BATCH) for _ in range(10)]
    drawn = await draw_all(redis, [*busy, *batch], a_job(), workers=WORKERS)
    turns = [turn for turn, each in enumerate(drawn) if each.order.key == "batch"]
    # By weights alone it would be one of 20 * 16 + 1 starts. Aging: after 78, whoever lines up is later.
    assert max(after - before for before, after in zip([WORKERS, *turns], turns, strict=False)) <= 78 + 20


async def test_batch_job_is_not_overtaken_for_ever_by_keys_that_come_anew(redis: "Redis") -> None:
    """More orders than can be drawn, each of a key that was never seen before."""
    fresh = [TimedOrder(number * 0.4, f"fresh-{number}", 4.0, INTERACTIVE) for number in range(800)]
    drawn = await draw_all(redis, [*fresh, TimedOrder(10.0, "batch", 4.0, BATCH)], a_job(), workers=WORKERS)
    (batch,) = [each for each in drawn if each.order.key == "batch"]
    overtook = [each for each in drawn if each.order.at > 10.0 and each.began < batch.began]
    assert 0 < len(overtook) <= 78 + 20


async def test_priorities_share_in_inverse_proportion_to_their_strides(redis: "Redis") -> None:
    shares = {each.value: QueueShare(each) for each in Priority}
    orders = [TimedOrder(0, name, 4.0, share) for name, share in shares.items() for _ in range(400)]
    drawn = await draw_all(redis, orders, a_job(), workers=1)
    told = Counter(each.order.key for each in drawn[40:250])  # ten rounds, after the credit is spent
    for name, starts in {"interactive": 160, "normal": 40, "batch": 10}.items():
        assert abs(told[name] - starts) <= 1
