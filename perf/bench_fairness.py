"""What a greedy key costs the others, and what fairness costs: python -m perf.bench_fairness [--rounds 3]

Waits: seeded arrivals of nine modest keys, alone and beside one that always has hundreds of orders in the
queue, through the queue's own scripts on a clock that nobody waits for; and once more with all orders in one
line, first come, first served. Throughput: the same orders, of several characters and sizes, drawn by the
whole system (`imgen up`), by turns as one key's, which is first come, first served, and as ten keys'.
Scripts: what Redis spends on an order, a start and a poll while a thousand orders of so many keys wait.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from contract.redis_keys import OPEN
from contract.sizes import SIZES
from embedded.part import PartError, running
from embedded.redis import redis_part
from frontend.actions.generate import plan
from frontend.actions.generate_request import read_generate
from frontend.catalogue.catalogue import Catalogue, load
from frontend.common.redis_connection import connect
from frontend.domain.job import Job, new_id
from frontend.jobs.store import JobStore
from frontend.prompts.prompt import read
from frontend.settings import Settings
from frontend.settings import load as load_settings
from perf.fair_queue import GREEDY, SETTINGS, DrawnOrder, draw_all, greedy_orders, modest_orders, p95
from perf.finished_jobs import NO_TEXTS
from perf.report import machine, median, publish, read_options, table
from perf.system import BenchError, system_up

SMOKE = {"seeds": 1, "rounds": 1, "until_s": 60.0, "greedy": 2, "modest": 2, "waiting": 30}
WORKERS, MODEST_KEYS, DRAWS_S = 8, 9, (2.0, 6.0)
LOADS = (0.5, 0.6, 0.7)  # of all workers' time, what the modest keys ask for
GREEDY_AT_ONCE, GREEDY_EVERY_S = 200, 100.0
CHARACTERS = ("aya", "bella", "mira")
PATIENCE_S = 1_800.0


@contextlib.asynccontextmanager
async def quick_redis(folder: Path) -> AsyncIterator["Redis"]:
    """Nothing of it need be on disk."""
    part = redis_part(folder)
    async with running(part, folder):
        redis = connect(part.url)
        try:
            await redis.config_set("appendfsync", "no")
            yield redis
        finally:
            await redis.aclose()


def a_job(catalogue: Catalogue, owner: str, number: int, character: str) -> Job:
    """Of the size that is next in turn for a modest key, the first one for the greedy."""
    width, height = SIZES[0 if character == CHARACTERS[0] else number % len(SIZES)]
    fields = {"prompt": f"@{character} tree", "width": width, "height": height, "seed": number}
    request = read_generate(fields)
    asked = read(request.prompt, catalogue.characters_of(catalogue.model(None).name))
    return plan(request, asked, catalogue, NO_TEXTS, owner)


async def waits(redis: "Redis", job: Job, load: float, seed: int, until_s: float) -> dict[str, float]:
    """95th percentiles of what modest keys wait from order to picture, s; `…_queued_s`: to its start."""
    per_s = load * WORKERS * 2 / sum(DRAWS_S)
    modest = modest_orders(seed, keys=MODEST_KEYS, per_s=per_s, until_s=until_s, draws_s=DRAWS_S)
    greedy = greedy_orders(
        seed, at_once=GREEDY_AT_ONCE, every_s=GREEDY_EVERY_S, until_s=until_s, draws_s=DRAWS_S
    )
    found: dict[str, float] = {}
    for name, orders in {"alone": modest, "fair": [*modest, *greedy], "one_line": [*modest, *greedy]}.items():
        await redis.flushall()
        drawn = await draw_all(redis, orders, job, workers=WORKERS, one_line=name == "one_line")
        found[f"{name}_s"], found[f"{name}_queued_s"] = _p95_of_modest(drawn)
    return found


def _p95_of_modest(drawn: Sequence[DrawnOrder]) -> tuple[float, float]:
    modest = [each for each in drawn if each.order.key != GREEDY]
    return p95([each.waited_s for each in modest]), p95([each.queued_s for each in modest])


async def all_waits(redis: "Redis", job: Job, seeds: int, until_s: float) -> dict[str, dict[str, float]]:
    """By load: the medians over all seeds, and the median and largest ratio."""
    found = {}
    for load_share in LOADS:
        runs = [await waits(redis, job, load_share, seed, until_s) for seed in range(1, seeds + 1)]
        ratios = [run["fair_s"] / run["alone_s"] for run in runs]
        found[f"{load_share:.1f}"] = {
            **{name: median([run[name] for run in runs], 2) for name in runs[0]},
            "ratio": median(ratios, 2),
            "largest_ratio": round(max(ratios), 2),
        }
    return found


async def script_costs(redis: "Redis", job: Job, waiting: int) -> dict[str, dict[str, float]]:
    """By number of keys: µs of Redis for an order, a start and its end, and a poll of the last one."""
    found = {}
    for keys in (1, 10, 100):
        await redis.flushall()
        store = JobStore(redis, SETTINGS)
        await store.prepare()
        jobs = [
            msgspec.structs.replace(job, id=f"run_{new_id(20)}", owner=f"key-{number % keys}")
            for number in range(waiting)
        ]
        accept_us = await _redis_us(redis, [store.accept(each, b"", None) for each in jobs])
        read_us = await _redis_us(redis, [store.read(jobs[-1].id, jobs[-1].owner) for _ in range(100)])
        start_us = await _redis_us(redis, [_start_and_end(store) for _ in range(waiting // 2)])
        found[str(keys)] = {"accept_us": accept_us, "start_us": start_us, "poll_us": read_us}
    return found


async def _start_and_end(store: JobStore) -> None:
    claim = await store.next("bench", 0)
    if claim is None:
        raise BenchError("another worker is at this Redis")
    await store.fail(claim)


async def _redis_us(redis: "Redis", calls: Sequence[Any]) -> float:
    """Of scripts, for each of these calls, made one after the other."""
    await redis.config_resetstat()
    for call in calls:
        await call
    spent: dict[str, Any] = await redis.info("commandstats")
    return round(float(spent["cmdstat_evalsha"]["usec"]) / len(calls), 1)


async def draw_by_turns(settings: Settings, rounds: int, greedy: int, modest: int) -> list[dict[str, float]]:
    """Pictures a second of each round, with all orders in one line and with a line for each key."""
    catalogue = load(settings.catalogue_dir)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        async with system_up(folder, {"IMGEN_JOB_DEADLINE_S": str(SETTINGS.job_deadline_s)}):
            redis = connect(redis_part(folder).url)
            try:
                store = JobStore(redis, SETTINGS)
                await _draw(store, redis, [a_job(catalogue, "warm", 0, each) for each in CHARACTERS])
                found: list[dict[str, float]] = []
                for round_ in range(rounds):
                    # The second round begins with the other one, and so on.
                    names = ("one_line", "fair")[:: 1 if round_ % 2 == 0 else -1]
                    orders = {name: _orders(catalogue, greedy, modest, name == "one_line") for name in names}
                    found.append({name: await _draw(store, redis, orders[name]) for name in names})
                return found
            finally:
                await redis.aclose()


def _orders(catalogue: Catalogue, greedy: int, modest: int, one_line: bool) -> list[Job]:
    """The greedy key's all come first, of one size and character."""
    jobs = [a_job(catalogue, GREEDY, number, CHARACTERS[0]) for number in range(greedy)]
    for number in range(modest):
        owner = f"modest-{number % MODEST_KEYS}"
        jobs.append(a_job(catalogue, owner, number, CHARACTERS[1 + number % 2]))
    return [msgspec.structs.replace(job, owner="all") for job in jobs] if one_line else jobs


async def _draw(store: JobStore, redis: "Redis", jobs: Sequence[Job]) -> float:
    """Pictures a second, from the first order until the last one is made. Raises BenchError."""
    began = time.perf_counter()
    for job in jobs:
        await store.accept(job, b"", None)
    async with asyncio.timeout(PATIENCE_S):
        while await redis.zcard(OPEN):
            await asyncio.sleep(0.05)
    took = time.perf_counter() - began
    for job in jobs:
        state = await store.read(job.id, job.owner)
        if type(state).__name__ != "Reviewing":
            raise BenchError(f"no picture: {state}")
    return len(jobs) / took


async def compare(
    seeds: int, rounds: int, until_s: float, greedy: int, modest: int, waiting: int
) -> dict[str, Any]:
    """Raises BenchError, PartError."""
    settings = load_settings()
    job = a_job(load(settings.catalogue_dir), "bench", 0, CHARACTERS[0])
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with quick_redis(Path(name)) as redis:
            waited = await all_waits(redis, job, seeds, until_s)
            costs = await script_costs(redis, job, waiting)
    drawn = await draw_by_turns(settings, rounds, greedy, modest)
    per_s = {name: median([each[name] for each in drawn]) for name in ("one_line", "fair")}
    return {
        "modest_p95_ratio": max(each["largest_ratio"] for each in waited.values()),
        "throughput_cost": median([1 - each["fair"] / each["one_line"] for each in drawn]),
        "waits": waited,
        "pictures_per_s": per_s,
        "costs": [round(1 - each["fair"] / each["one_line"], 3) for each in drawn],
        "drawn": greedy + modest,
        "redis": costs,
        "waiting": waiting,
    }


def show(figures: dict[str, Any]) -> None:
    columns = ["alone_s", "fair_s", "one_line_s", "alone_queued_s", "fair_queued_s", "ratio", "largest_ratio"]
    table(
        "What modest keys wait at most in 95 of 100 cases, s, from order to picture (queued: to its start), "
        "alone and beside a greedy one",
        ["load", *columns],
        [[load_share, *(found[name] for name in columns)] for load_share, found in figures["waits"].items()],
    )
    table(
        f"µs of Redis, with {figures['waiting']} orders that wait, by keys",
        ["keys", "order", "start and end", "poll"],
        [[keys, *found.values()] for keys, found in figures["redis"].items()],
    )
    per_s = figures["pictures_per_s"]
    table(
        "Pictures a second of the whole system; what fairness costs",
        ["", "one line", "fair", "cost"],
        [["the same orders", per_s["one_line"], per_s["fair"], figures["throughput_cost"]]],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_fairness", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="of arrivals, for each load")
    parser.add_argument("--rounds", type=int, default=3, help="of drawing")
    parser.add_argument("--until-s", type=float, default=600.0, help="of arrivals, on the simulated clock")
    parser.add_argument("--greedy", type=int, default=24, help="orders of the greedy key that are drawn")
    parser.add_argument("--modest", type=int, default=18, help="orders of nine modest keys that are drawn")
    parser.add_argument(
        "--waiting", type=int, default=1_000, help="orders in the queue, for the scripts' costs"
    )
    options = read_options(parser, SMOKE)
    where = machine()
    try:
        figures = asyncio.run(
            compare(
                options.seeds,
                options.rounds,
                options.until_s,
                options.greedy,
                options.modest,
                options.waiting,
            )
        )
    except (BenchError, PartError) as error:
        sys.exit(f"bench_fairness: {error}")
    show(figures)
    publish("fairness", figures, where, smoke=options.smoke)


if __name__ == "__main__":
    main()
