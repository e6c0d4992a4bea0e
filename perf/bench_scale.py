"""How this grows: python -m perf.bench_scale [--tritons 1,2,4,8] [--seconds 4]

Each Triton is a real server whose `text_to_image` waits for as long as a GPU would draw, so that what is
measured is all the rest: API servers, workers, Redis, finishing, storing. Pictures a second with 1, 2, 4 and
8 of them, behind one and two servers of each role; then, with all, orders that come by chance at some shares
of what it can do. And a thousand GPUs, as the queue's own scripts see them.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.progress import Progress

from embedded.part import PartError
from frontend.catalogue.catalogue import load
from frontend.settings import load as load_settings
from perf.bench_fairness import a_job, quick_redis
from perf.report import machine, publish, read_options, table
from perf.scale.fleet import SimulatedFleet, fleet_up
from perf.scale.simulation import simulate
from perf.system import BenchError

SMOKE = {
    "tritons": "1,2", "servers": "1", "seconds": 0.4, "slots": 1, "for_s": 3.0, "loads": "0.5",
    "polls": 50, "gpus": 20, "simulated_s": 5.0,
}  # fmt: skip
LIMIT = 2.5  # of p99 over the time of a picture, up to which a load counts as borne


async def saturated(fleet: SimulatedFleet, places: int, for_s: float) -> dict[str, float]:
    """Pictures a second with twice as many orders as places at any time; what each costs."""
    numbers, done, ends = iter(range(10**9)), 0, 0.0

    async def client() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await _completed(fleet, next(numbers))
            done += 1

    await asyncio.gather(*(_completed(fleet, next(numbers)) for _ in range(places)))  # warm
    cpu, before, began = fleet.cpu_s(), await fleet.redis_spent(), time.perf_counter()
    ends = began + for_s
    await asyncio.gather(*(client() for _ in range(2 * places)))
    took, spent, after = time.perf_counter() - began, fleet.cpu_s(), await fleet.redis_spent()
    figures = {f"{role}_cpu_ms": round(1000 * (spent[role] - cpu[role]) / done, 1) for role in cpu}
    return {
        "pictures_per_s": round(done / took, 3),
        **figures,
        "cpu_ms": round(sum(figures.values()), 1),
        "redis_commands": round((after.commands - before.commands) / done, 1),
        "redis_sent_kb": round((after.sent - before.sent) / done / 1000, 1),
        "redis_held_kb": round((after.held - before.held) / done / 1000, 1),
    }


async def polled(fleet: SimulatedFleet, polls: int) -> dict[str, float]:
    """What a poll of a finished job costs Redis, and how many a second two thirds of its one core carry."""
    job = str((await fleet.draw(10**8))["meta"]["id"])
    numbers = iter(range(polls))

    async def client() -> None:
        for number in numbers:
            await fleet.poll(number, job)

    before, began = await fleet.redis_spent(), time.perf_counter()
    await asyncio.gather(*(client() for _ in range(8)))
    took, after = time.perf_counter() - began, await fleet.redis_spent()
    cpu_us = 1e6 * (after.cpu_s - before.cpu_s) / polls
    return {
        "polls_per_s": round(polls / took, 1),
        "redis_us": round(cpu_us, 1),
        "one_redis_per_s": round(2e6 / 3 / cpu_us) if cpu_us else 0,
    }


async def at_load(fleet: SimulatedFleet, per_s: float, for_s: float, seed: int) -> dict[str, float]:
    """Seconds from order to picture, with orders that come by chance."""
    chance, took = random.Random(seed), list[float]()

    async def order(number: int) -> None:
        began = time.perf_counter()
        await _completed(fleet, number)
        took.append(time.perf_counter() - began)

    began, at, number = time.perf_counter(), 0.0, 10**6 * seed
    async with asyncio.TaskGroup() as orders:
        while (at := at + chance.expovariate(per_s)) < for_s:
            await asyncio.sleep(max(0.0, began + at - time.perf_counter()))
            orders.create_task(order(number := number + 1))
    took.sort()
    return {
        "orders": len(took),
        "p50_s": round(took[len(took) // 2], 2),
        "p99_s": round(took[int(0.99 * len(took))], 2),
    }


async def _completed(fleet: SimulatedFleet, number: int) -> None:
    answer = await fleet.draw(number)
    if answer.get("status") != "COMPLETED" or "meta" not in answer:
        raise BenchError(f"no picture: {answer}")


async def measure(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Raises BenchError, PartError."""
    tritons = [int(word) for word in options.tritons.split(",")]
    fleets = len(tritons) * len(options.servers.split(","))
    bar = progress.add_task("fleets, loads, simulation", total=fleets + len(options.loads.split(",")) + 1)
    rows: dict[str, dict[str, float]] = {}
    loads: dict[str, dict[str, float]] = {}
    polls: dict[str, float] = {}
    kind = {"seconds": options.seconds, "slots": options.slots}
    for servers in (int(word) for word in options.servers.split(",")):
        for count in tritons:
            with tempfile.TemporaryDirectory(prefix="bench-") as name:
                async with fleet_up(Path(name), tritons=count, servers=servers, **kind) as fleet:
                    found = await saturated(fleet, count * options.slots, options.for_s)
                    rows[f"{count}x{servers}"] = found
                    progress.advance(bar)
                    if count == tritons[-1] and f"{servers}" == options.servers.split(",")[-1]:
                        polls = await polled(fleet, options.polls)
                        ideal = count * options.slots / options.seconds
                        for seed, share in enumerate(options.loads.split(","), 1):
                            told = await at_load(fleet, float(share) * ideal, 3 * options.for_s, seed)
                            progress.advance(bar)
                            loads[share] = {**told, "over_service": round(told["p99_s"] / options.seconds, 2)}
    first, last = tritons[0], tritons[-1]
    for key, row in rows.items():
        many, _, behind = key.partition("x")
        least = rows[f"{first}x{behind}"]["pictures_per_s"] / first
        row["linear"] = round(row["pictures_per_s"] / (least * int(many)), 3)
    best = rows[f"{last}x{options.servers.split(',')[-1]}"]
    borne = [share for share, told in loads.items() if told["over_service"] <= LIMIT]
    return {
        "linear_8": best["linear"] if last == 8 else None,
        "cpu_ms_per_picture": best["cpu_ms"],
        "redis_commands_per_picture": best["redis_commands"],
        "p99_over_service_at_80": loads.get("0.8", {}).get("over_service"),
        "knee": borne[-1] if borne else None,
        **kind,
        "rows": rows,
        "loads": loads,
        "polls": polls,
        "simulated": await simulated(options),
    }


async def simulated(options: argparse.Namespace) -> dict[str, Any]:
    settings = load_settings()
    job = a_job(load(settings.catalogue_dir), "bench", 0, "aya")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with quick_redis(Path(name)) as redis:
            how = {"slots": options.slots, "seconds": options.seconds, "until_s": options.simulated_s}
            found = await simulate(redis, job, gpus=options.gpus, load=0.8, seed=1, **how)
    return {"gpus": options.gpus, **vars(found)}


def show(figures: dict[str, Any]) -> None:
    columns = {
        "pictures_per_s": "a second",
        "linear": "linear",
        "cpu_ms": "CPU ms",
        "api_cpu_ms": "API",
        "worker_cpu_ms": "worker",
        "redis_cpu_ms": "Redis",
        "redis_commands": "its calls",
        "redis_sent_kb": "kB sent",
        "redis_held_kb": "held",
    }
    table(
        f"Tritons x servers of each role; a picture takes {figures['seconds']} s of one of "
        f"{figures['slots']} places of a Triton; the rest of a picture",
        ["", *columns.values()],
        [[name, *(row[column] for column in columns)] for name, row in figures["rows"].items()],
    )
    table(
        "Seconds from order to picture at shares of what the Tritons can do",
        ["load", "orders", "p50_s", "p99_s", "over_service"],
        [[share, *told.values()] for share, told in figures["loads"].items()],
    )
    table(
        "Polls of a finished job, and what they cost Redis",
        ["", *figures["polls"]],
        [["polls", *figures["polls"].values()]],
    )
    told = figures["simulated"]
    table(
        f"{told['gpus']} GPUs at 0.8 of what they can do, as the queue's scripts see them",
        ["", *(name for name in told if name != "gpus")],
        [["simulated", *(value for name, value in told.items() if name != "gpus")]],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_scale", description=__doc__)
    parser.add_argument("--tritons", default="1,2,4,8")
    parser.add_argument("--servers", default="1,2", help="of each role")
    parser.add_argument("--seconds", type=float, default=4.0, help="of a picture on a simulated GPU")
    parser.add_argument("--slots", type=int, default=2, help="pictures that a simulated GPU draws at a time")
    parser.add_argument("--for-s", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--loads", default="0.5,0.8,0.95", help="shares of what the Tritons can do")
    parser.add_argument("--polls", type=int, default=4_000, help="of a finished job")
    parser.add_argument("--gpus", type=int, default=1_000, help="that are simulated")
    parser.add_argument("--simulated-s", type=float, default=40.0, help="of arrivals at them")
    options = read_options(parser, SMOKE)
    where = machine()
    try:
        with Progress(transient=True) as progress:
            figures = asyncio.run(measure(options, progress))
    except (BenchError, PartError) as error:
        sys.exit(f"bench_scale: {error}")
    show(figures)
    publish("scale", figures, where, smoke=options.smoke)


if __name__ == "__main__":
    main()
