"""Streams of events beside polling: python -m perf.bench_events [--streams 1000] [--jobs 64] [--changes 8]

The real `imgen serve` with the real Redis; the progress of jobs is set by hand. First the streams are opened,
each on a job of its own, and the server's memory before and after is compared. Then the progress of some of
the jobs changes at random moments, while each of these is followed by its stream and by a poll twice a
second: how long after the change each learns of it. Then what the server's processor spends on an event, on
a poll, and on opening a stream. In the end ten times as many streams as a server lets in by default are
asked for, while somebody polls.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from redis.asyncio import Redis

from contract.redis_keys import CHANGES
from embedded.frontend import frontend_part
from embedded.part import PartError, running
from embedded.redis import redis_part
from frontend.catalogue.catalogue import load
from frontend.common.redis_connection import connect
from frontend.jobs.claim import Claim
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.serve import allow_connections
from frontend.settings import Settings
from perf.bench_api import environment_of, settings_beside
from perf.finished_jobs import NO_TEXTS, begin_job
from perf.processes import cpu_seconds, proportional_mib
from perf.report import machine, publish, read_options, table

SMOKE = {"streams": 30, "jobs": 4, "changes": 2, "requests": 60, "crowd": 40}
POLL_S = 0.5
BETWEEN_S = (0.6, 1.2)  # of two changes of one job: each is seen by a poll
AT_A_TIME = 8  # requests whose cost is counted
PATIENCE_S = 60.0
MANY, DAY_S = 1_000_000, 86_400.0  # as many jobs as are asked for, and none ends by itself


@dataclass(frozen=True)
class StreamsScene:
    """A server without workers, and jobs that the benchmark works on."""

    pid: int
    port: int
    key: str
    owner: str
    store: JobStore
    settings: Settings
    redis: "Redis"

    async def begin(self, count: int) -> list[Claim]:
        catalogue = load(self.settings.catalogue_dir)
        return [await begin_job(self.store, catalogue, NO_TEXTS, self.owner) for _ in range(count)]


@contextlib.asynccontextmanager
async def scene(folder: Path, **limits: int) -> AsyncIterator[StreamsScene]:
    part = redis_part(folder)
    async with running(part, folder), contextlib.AsyncExitStack() as stack:
        settings = replace(settings_beside(folder, part.url), key_jobs_limit=MANY, job_deadline_s=DAY_S)
        redis = connect(part.url)
        stack.push_async_callback(redis.aclose)
        record, secret = await Keys(redis).create("bench")
        store = JobStore(redis, settings)
        await store.prepare()
        told = {f"IMGEN_{name.upper()}": str(value) for name, value in limits.items()}
        environment = {**environment_of(settings), "IMGEN_WORKERS": "0", **told}
        server = frontend_part(settings, environment)
        process = await stack.enter_async_context(running(server, folder))
        yield StreamsScene(process.pid, settings.port, secret, record.id, store, settings, redis)


@dataclass
class Tellings:
    """When each job's progress was set, and how much later each way told it."""

    set_at: dict[tuple[str, str], float] = field(default_factory=dict)
    late_ms: list[float] = field(default_factory=list)

    def told(self, job_id: str, progress: str) -> None:
        """Counts the first time only."""
        if (began := self.set_at.pop((job_id, progress), None)) is not None:
            self.late_ms.append((time.perf_counter() - began) * 1000)


class StreamClient:
    """Reads one stream as it comes; lighter than a client library, as there are thousands."""

    def __init__(self, job_id: str, changes: Tellings | None = None) -> None:
        self.job_id = job_id
        self.changes = changes
        self.events = 0
        self.status = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, at: StreamsScene) -> "StreamClient":
        """With its first event, or refused."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", at.port)
        lines = (
            f"GET /api/v2/jobs/{self.job_id}/events HTTP/1.1",
            "Host: localhost",
            f"Authorization: Bearer {at.key}",
        )
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        self.status = int(head.split()[1])
        if self.status == 200:
            while not self._take(await reader.readline()):
                pass
            self._reading = asyncio.create_task(self._read(reader))
        return self

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._take(line)

    def _take(self, line: bytes) -> bool:
        if not line.startswith(b"id: "):
            return False
        self.events += 1
        if self.changes:
            self.changes.told(self.job_id, line.strip().rpartition(b"-")[2].decode())
        return True

    async def close(self) -> None:
        if self._writer:
            self._writer.transport.abort()
        if self._reading:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


async def open_all(at: StreamsScene, clients: Sequence[StreamClient]) -> None:
    for some in range(0, len(clients), 50):
        await asyncio.gather(*(client.open(at) for client in clients[some : some + 50]))


async def close_all(clients: Sequence[StreamClient]) -> None:
    for client in clients:
        await client.close()


async def poll(http: aiohttp.ClientSession, at: StreamsScene, job_id: str) -> dict[str, Any]:
    url, headers = f"http://127.0.0.1:{at.port}/api/v2", {"Authorization": f"Bearer {at.key}"}
    async with http.post(url, json={"action": "status", "id": job_id}, headers=headers) as response:
        answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise RuntimeError(f"a poll was answered {response.status}")
        return answer


async def memory_each(at: StreamsScene, claims: Sequence[Claim]) -> tuple[float, list[StreamClient]]:
    """KiB of the server for each stream, and the streams, which are open."""
    warm = [StreamClient(claim.job.id) for claim in claims[:20]]  # what the first ones load is no stream's
    await open_all(at, warm)
    await close_all(warm)
    before = proportional_mib(at.pid)
    clients = [StreamClient(claim.job.id) for claim in claims]
    await open_all(at, clients)
    if refused := [client.status for client in clients if client.status != 200]:
        raise RuntimeError(f"{len(refused)} streams were refused: {refused[0]}")
    return (proportional_mib(at.pid) - before) * 1024 / len(clients), clients


async def latencies(
    at: StreamsScene, claims: Sequence[Claim], clients: Sequence[StreamClient], changes: int
) -> tuple[list[float], list[float]]:
    """In ms, by event and by poll, of the same changes."""
    by_event, by_poll = Tellings(), Tellings()
    for client in clients:
        client.changes = by_event
    async with aiohttp.ClientSession() as http:
        pollers = [asyncio.create_task(_keep_polling(http, at, claim.job.id, by_poll)) for claim in claims]
        await asyncio.gather(*(_change(at, claim, changes, (by_event, by_poll)) for claim in claims))
        await _until(lambda: not by_event.set_at and not by_poll.set_at)
        for poller in pollers:
            poller.cancel()
        await asyncio.gather(*pollers, return_exceptions=True)
    for client in clients:
        client.changes = None
    return by_event.late_ms, by_poll.late_ms


async def _keep_polling(
    http: aiohttp.ClientSession, at: StreamsScene, job_id: str, changes: Tellings
) -> None:
    await asyncio.sleep(random.uniform(0, POLL_S))
    while True:
        answer = await poll(http, at, job_id)
        changes.told(job_id, f"{answer['progress']:.3f}")
        await asyncio.sleep(POLL_S)


async def _change(at: StreamsScene, claim: Claim, count: int, told: Sequence[Tellings]) -> None:
    for number in range(1, count + 1):
        await asyncio.sleep(random.uniform(*BETWEEN_S))
        progress = number / (count + 1)
        for changes in told:
            changes.set_at[claim.job.id, f"{progress:.3f}"] = time.perf_counter()
        await at.store.beat(claim, progress)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.01)


async def cost_us(at: StreamsScene, work: Callable[[], Awaitable[int]]) -> float:
    """Of the server's processor, for each of what `work` counts."""
    before = cpu_seconds(at.pid)
    count = await work()
    return (cpu_seconds(at.pid) - before) * 1e6 / count


async def costs(
    at: StreamsScene, claims: Sequence[Claim], clients: Sequence[StreamClient], requests: int
) -> dict[str, float]:
    async def events() -> int:
        before, rounds = sum(client.events for client in clients), max(1, requests // len(claims))
        for number in range(rounds):
            due = sum(client.events for client in clients) + len(claims)
            for claim in claims:
                await at.store.beat(claim, (number + 1) / (rounds + 1) * 0.9)
            await _until(lambda due=due: sum(client.events for client in clients) >= due)  # type: ignore[misc]
        return sum(client.events for client in clients) - before

    async def polls() -> int:
        async with aiohttp.ClientSession() as http:
            await asyncio.gather(*(_one_after_the_other(poll, http) for _ in range(AT_A_TIME)))
        return AT_A_TIME * (requests // AT_A_TIME)

    async def _one_after_the_other(
        ask: Callable[[aiohttp.ClientSession, StreamsScene, str], Awaitable[Any]], http: aiohttp.ClientSession
    ) -> None:
        for number in range(requests // AT_A_TIME):
            await ask(http, at, claims[number % len(claims)].job.id)

    async def openings() -> int:
        opened = [StreamClient(claims[number % len(claims)].job.id) for number in range(requests // 4)]
        for client in opened:
            await client.open(at)
            await client.close()
        return len(opened)

    return {
        "event_us": round(await cost_us(at, events), 1),
        "poll_us": round(await cost_us(at, polls), 1),
        "open_us": round(await cost_us(at, openings), 1),
    }


async def crowd(folder: Path, asked: int) -> dict[str, float]:
    """So many streams of a server with its default limits, while one client polls."""
    async with scene(folder) as at, aiohttp.ClientSession() as http:
        (claim,) = await at.begin(1)
        clients = [StreamClient(claim.job.id) for _ in range(asked)]
        opening = asyncio.create_task(_open_what_may_be(at, clients))
        late: list[float] = []
        while not opening.done() or len(late) < 20:
            began = time.perf_counter()
            await poll(http, at, claim.job.id)
            late.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(0.01)
        await opening
        found = {
            "crowd_asked": asked,
            "crowd_open": sum(client.status == 200 for client in clients),
            "crowd_refused": sum(client.status in (429, 503) for client in clients),
            "crowd_poll_p99_ms": _quantile(late, 0.99),
        }
        await close_all(clients)
        return found


async def _open_what_may_be(at: StreamsScene, clients: Sequence[StreamClient]) -> None:
    """Those that are refused stay connected, and idle, as long as the server lets them."""
    for some in range(0, len(clients), 50):
        found = await asyncio.gather(
            *(client.open(at) for client in clients[some : some + 50]), return_exceptions=True
        )
        if other := [each for each in found if isinstance(each, BaseException)]:
            raise other[0]


def _quantile(values: Sequence[float], share: float) -> float:
    return round(float(np.quantile(values, share)), 2)


async def compare(streams: int, jobs: int, changes: int, requests: int, asked: int) -> dict[str, Any]:
    allow_connections(max(2 * streams, asked) + 100)
    with tempfile.TemporaryDirectory() as name:
        places = {"streams_limit": 2 * streams, "key_streams_limit": 2 * streams}
        beside, alone = Path(name) / "measured", Path(name) / "crowd"
        for folder in (beside, alone):
            folder.mkdir()
        async with scene(beside, max_connections=4 * streams, **places) as at:
            claims = await at.begin(streams)
            kb_each, clients = await memory_each(at, claims)
            subscriptions = (await at.redis.pubsub_numsub(CHANGES))[0][1]
            by_event, by_poll = await latencies(at, claims[:jobs], clients[:jobs], changes)
            spent = await costs(at, claims[:jobs], clients[:jobs], requests)
            await close_all(clients)
        return {
            "streams": streams,
            "kb_each": round(kb_each, 1),
            "subscriptions": subscriptions,
            "p50_ms": _quantile(by_event, 0.5),
            "p99_ms": _quantile(by_event, 0.99),
            "poll_p50_ms": _quantile(by_poll, 0.5),
            "poll_p99_ms": _quantile(by_poll, 0.99),
            **spent,
            **await crowd(alone, asked),
        }


def show(figures: dict[str, Any]) -> None:
    table(
        "From a change to who waits for it; the server's processor for each",
        ("", "p50 ms", "p99 ms", "processor, µs"),
        [
            ("event", figures["p50_ms"], figures["p99_ms"], figures["event_us"]),
            ("poll every 0.5 s", figures["poll_p50_ms"], figures["poll_p99_ms"], figures["poll_us"]),
            ("opening a stream", "", "", figures["open_us"]),
        ],
    )
    names = ("streams", "kb_each", "subscriptions")
    table("Streams of one process", ("", "figure"), [(name, figures[name]) for name in names])
    table(
        "Asked for at a server with its default limits",
        ("", "figure"),
        [(name, figure) for name, figure in figures.items() if name.startswith("crowd_")],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=1_000, help="open at a time (default: 1000)")
    parser.add_argument("--jobs", type=int, default=64, help="of which so many change (default: 64)")
    parser.add_argument("--changes", type=int, default=8, help="of each of these (default: 8)")
    parser.add_argument("--requests", type=int, default=4_000, help="whose cost is counted (default: 4000)")
    parser.add_argument(
        "--crowd", type=int, default=5_000, help="streams asked for at the end (default: 5000)"
    )
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        figures = asyncio.run(compare(given.streams, given.jobs, given.changes, given.requests, given.crowd))
    except PartError as error:
        sys.exit(f"bench-events: {error}")
    show(figures)
    publish("events", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
