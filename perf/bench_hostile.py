"""A good client beside hostile ones: python -m perf.bench_hostile [--seconds 3]

The real `imgen serve` with the real Redis. A good client asks for `models` and for the status of a finished
job, every tenth time on a new connection. By turns it is alone, and beside one kind of hostile clients
(perf/hostile_clients.py); in the end beside all kinds at once.
"""

import argparse
import asyncio
import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from embedded.frontend import frontend_part
from embedded.part import PartError, running
from embedded.redis import redis_part
from frontend.common.redis_connection import connect
from frontend.keys.api_keys import Keys
from frontend.settings import ROOT
from perf.bench_api import environment_of, prepare_jobs, settings_beside
from perf.hostile_clients import KEY_VARIABLE, KINDS
from perf.hostile_server import EVERY_S
from perf.processes import descendants, proportional_mib
from perf.report import machine, publish, read_options, table

SMOKE = {"seconds": 0.3}
ALL = "all at once"
PAUSE_S = 0.005
MIN_REQUESTS = 10  # of a turn, however long they take
PATIENCE_S = 10.0


@dataclass(frozen=True)
class Scene:
    """The server, and who comes to it."""

    pid: int
    port: int
    key: str  # the good client's
    bad_key: str
    job: str
    lateness: Path  # see perf/hostile_server.py


@dataclass(frozen=True)
class Stretch:
    """What the good client saw in one stretch of time, and what the server did meanwhile."""

    latencies_ms: tuple[float, ...]
    refused: int  # no answer, or another one than 200
    rss_mb: float  # the most; of the server and its processes
    loop_ms: float  # the longest that the event loop did not come round, without waiting for a processor
    loop_cpu_ms: float  # the processor time of the longest turn of the loop


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    redis, file = redis_part(folder), folder / "lateness"
    async with running(redis, folder):
        settings = settings_beside(folder, redis.url)
        key, (job, *_) = await prepare_jobs(settings, 1)
        client = connect(settings.redis_url)
        _, bad_key = await Keys(client).create("hostile")
        await client.aclose()
        part = frontend_part(settings, environment_of(settings))
        part = replace(part, command=(sys.executable, "-P", "-m", "perf.hostile_server", str(file)))
        async with running(part, folder) as process:
            yield Scene(process.pid, settings.port, key, bad_key, job, file)


@contextlib.asynccontextmanager
async def hostile(at: Scene, kinds: Sequence[str]) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "perf.hostile_clients", str(at.port), *kinds),
        env={"PYTHONPATH": str(ROOT), KEY_VARIABLE: at.bad_key},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        await process.stdout.readline()  # they have begun
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def watch(at: Scene, seconds: float) -> Stretch:
    """The good client's requests in so many seconds, and what the server took meanwhile."""
    began = time.monotonic()
    client = asyncio.create_task(be_good(at, began + seconds))
    rss = [memory_mb(at.pid)]
    while not client.done():
        await asyncio.wait([client], timeout=0.25)
        rss.append(await asyncio.to_thread(memory_mb, at.pid))
    latencies, refused = client.result()
    loop_ms, loop_cpu_ms = lateness(at.lateness, began, time.monotonic())
    return Stretch(tuple(latencies), refused, max(rss), loop_ms, loop_cpu_ms)


async def be_good(at: Scene, until: float) -> tuple[list[float], int]:
    """Latencies in ms, and how many requests were refused; the time of these counts, too."""
    bodies = itertools.cycle(({"action": "models"}, {"action": "status", "id": at.job}))
    headers, url = {"Authorization": f"Bearer {at.key}"}, f"http://127.0.0.1:{at.port}/api/v2"
    latencies: list[float] = []
    refused = 0
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        for number in itertools.count():
            if number >= MIN_REQUESTS and time.monotonic() >= until:
                return latencies, refused
            own = {**headers, "Connection": "close"} if number % 10 == 0 else headers
            began = time.perf_counter()
            try:
                async with http.post(url, json=next(bodies), headers=own) as response:
                    refused += response.status != 200
                    await response.read()
            except (aiohttp.ClientError, TimeoutError):
                refused += 1
            latencies.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(PAUSE_S)
    raise AssertionError


def memory_mb(pid: int) -> float:
    total = 0.0
    for each in {pid, *descendants(pid)}:
        with contextlib.suppress(OSError, StopIteration):  # ended meanwhile
            total += proportional_mib(each)
    return total


def lateness(file: Path, began: float, ended: float) -> tuple[float, float]:
    """The most of each figure in that time. A line tells of the half second before it."""
    lines = [[float(word) for word in line.split()] for line in file.read_text().splitlines()]
    found = [line for line in lines if len(line) == 3 and began <= line[0] <= ended]
    return max((line[1] for line in found), default=0.0), max((line[2] for line in found), default=0.0)


async def compare(seconds: float) -> dict[str, Any]:
    """The figures; the table is printed."""
    alone: list[Stretch] = []
    beside: dict[str, Stretch] = {}
    with tempfile.TemporaryDirectory() as name:
        async with scene(Path(name)) as at:
            await watch(at, seconds)  # connections, caches
            before = memory_mb(at.pid)
            for kind in [*KINDS, ALL]:
                alone.append(await watch(at, seconds / 2))
                async with hostile(at, list(KINDS) if kind == ALL else [kind]):
                    beside[kind] = await watch(at, seconds)
                await asyncio.sleep(2 * EVERY_S)  # what is left of it does not count for the next
    return summarise(alone, beside, before)


def summarise(alone: Sequence[Stretch], beside: dict[str, Stretch], before_mb: float) -> dict[str, Any]:
    """`p99_ratio`: of all turns beside one kind together, to all those alone; each kind's is in `kinds`."""
    single = [turn for kind, turn in beside.items() if kind != ALL]
    quiet = p99(alone)
    kinds = {
        kind: {
            "p99_ms": p99([turn]),
            "ratio": round(p99([turn]) / quiet, 2),
            "loop_ms": turn.loop_ms,
            "loop_cpu_ms": turn.loop_cpu_ms,
            "rss_growth_mb": round(turn.rss_mb - before_mb, 1),
            "refused": turn.refused,
        }
        for kind, turn in beside.items()
    }
    return {
        "p99_ratio": round(p99(single) / quiet, 2),
        "rss_growth_mb": max(round(turn.rss_mb - before_mb, 1) for turn in single),
        "loop_ms": max(turn.loop_ms for turn in single),
        "loop_cpu_ms": max(turn.loop_cpu_ms for turn in single),
        "alone_p99_ms": quiet,
        "alone_loop_ms": max(turn.loop_ms for turn in alone),
        "alone_loop_cpu_ms": max(turn.loop_cpu_ms for turn in alone),
        "hostile_p99_ms": p99(single),
        "refused": sum(turn.refused for turn in single),
        "kinds": kinds,
    }


def p99(turns: Sequence[Stretch]) -> float:
    return round(float(np.quantile([ms for turn in turns for ms in turn.latencies_ms], 0.99)), 2)


def show(figures: dict[str, Any]) -> None:
    columns = ("p99_ms", "ratio", "loop_ms", "loop_cpu_ms", "rss_growth_mb", "refused")
    table(
        "One good client beside a kind of hostile ones; ratio: to the p99 alone",
        ("", *columns),
        [(kind, *(one[column] for column in columns)) for kind, one in figures["kinds"].items()],
    )
    table(
        "All kinds by turns (aims: p99_ratio 2, rss_growth_mb 100, loop_ms 20)",
        ("", "figure"),
        [(name, figure) for name, figure in figures.items() if name != "kinds"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="beside each kind (default: 3)")
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        figures = asyncio.run(compare(given.seconds))
    except PartError as error:
        sys.exit(f"bench-hostile: {error}")
    show(figures)
    publish("hostile", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
