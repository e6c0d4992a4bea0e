"""Requests a second of one server process: `models`, `status` and a `generate` that the cache answers, beside
bare aiohttp and beside FastAPI.

python -m perf.bench_api [--rounds 5] [--seconds 3] [--jobs 200]

In one run, by turns: the real server with the real Redis, aiohttp returning the same bytes without looking at
the request, a FastAPI app that reads the same record and builds the same JSON, and what `imgen up` starts,
asked again and again for a picture that its cache has. Medians over the rounds.
Without .venv/parts/bench the FastAPI app is left out.
"""

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from embedded.frontend import frontend_part
from embedded.part import PartError, SystemPart, free_port, python_of, running
from embedded.readiness import answers
from embedded.redis import redis_part
from frontend.catalogue.catalogue import load
from frontend.common.redis_connection import connect
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.settings import ROOT, Settings
from perf.cache_hits import HIT_BODY, put_in
from perf.finished_jobs import NO_TEXTS, finish_jobs
from perf.processes import cpu_seconds, descendants, title
from perf.report import leave_out, machine, median, publish, read_options, table
from perf.system import BenchError, system_up
from perf.wrk import CONNECTIONS, HttpLoad, WrkError, wrk, wrk_binary

SMOKE = {"rounds": 1, "seconds": 1, "jobs": 3, "warm_up": 0}
FASTAPI, HIT = "fastapi status", "cache hit"
# Counted as ever, and never too many.
NO_LIMITS = dict.fromkeys(
    ("IMGEN_KEY_POLLS_PER_S", "IMGEN_KEY_ORDERS_PER_MINUTE", "IMGEN_KEY_STORED_JOBS"), "1000000"
)
_SIGNED = re.compile(rb"(expires=|signature=)[0-9a-f]+")


@dataclass(frozen=True)
class Contender:
    name: str
    server: "ServerProcess"
    key: str
    bodies: Path  # one request a line


@dataclass(frozen=True)
class ServerProcess:
    url: str
    pid: int


@dataclass(frozen=True)
class WrkRun:
    """One contender's turn. `cpu_us`: CPU time of the server process for one request, in microseconds."""

    load: HttpLoad
    cpu_us: float


async def compare(rounds: int, seconds: int, jobs: int, warm_up: int) -> dict[str, Any]:
    """The figures; the table is printed. Raises WrkError and PartError."""
    with tempfile.TemporaryDirectory() as name:
        async with contenders(Path(name), jobs) as everyone:
            turns = await _by_turns(everyone, rounds, seconds, warm_up)
    figures = summarise(turns)
    table(
        f"One server process, {CONNECTIONS} connections, medians of {rounds} rounds of {seconds} s",
        ("", "requests/s", "CPU µs/request", "p50 ms", "p99 ms"),
        [
            (name, *(figures[each][name] for each in ("requests_per_s", "cpu_us", "p50_ms", "p99_ms")))
            for name in turns
        ],
    )
    table(
        "Ratios (aims: models_vs_bare 0.7, status_vs_fastapi 3, hit_vs_models 0.25 or more)",
        ("", "ratio"),
        [(name, figures[name]) for name in figures if "_vs_" in name],
    )
    return figures


async def _by_turns(
    everyone: list[Contender], rounds: int, seconds: int, warm_up: int
) -> dict[str, list[WrkRun]]:
    for each in everyone if warm_up else ():
        await _turn(each, warm_up)
    turns: dict[str, list[WrkRun]] = {each.name: [] for each in everyone}
    for _ in range(rounds):
        for each in everyone:
            turns[each.name].append(await _turn(each, seconds))
    return turns


async def _turn(contender: Contender, seconds: int) -> WrkRun:
    server = contender.server
    before = cpu_seconds(server.pid)
    load = await wrk(f"{server.url}/api/v2", contender.key, contender.bodies, seconds)
    return WrkRun(load, (cpu_seconds(server.pid) - before) / load.requests * 1e6)


def summarise(turns: Mapping[str, list[WrkRun]]) -> dict[str, Any]:
    """Ratios are taken within each round, then the median: what slows the machine for a while slows both.

    Without FastAPI's turns there is no ratio to it, and it is named in `left_out`.
    """
    rates = {name: [run.load.requests_per_s for run in runs] for name, runs in turns.items()}

    def ratio(ours: str, theirs: str) -> float:
        return median([a / b for a, b in zip(rates[ours], rates[theirs], strict=True)])

    fastapi = FASTAPI in turns
    return {
        "models_vs_bare": ratio("models", "bare models"),
        "status_vs_bare": ratio("status", "bare status"),
        **({"status_vs_fastapi": ratio("status", FASTAPI)} if fastapi else {}),
        "hit_vs_models": ratio(HIT, "models"),
        "left_out": [] if fastapi else [FASTAPI],
        "requests_per_s": {name: median(values, 0) for name, values in rates.items()},
        "cpu_us": {name: median([run.cpu_us for run in runs], 0) for name, runs in turns.items()},
        "p50_ms": {name: median([run.load.p50_ms for run in runs], 2) for name, runs in turns.items()},
        "p99_ms": {name: median([run.load.p99_ms for run in runs], 2) for name, runs in turns.items()},
    }


@contextlib.asynccontextmanager
async def contenders(folder: Path, jobs: int) -> AsyncIterator[list[Contender]]:
    """Every server, running and answering alike."""
    async with contextlib.AsyncExitStack() as stack:
        redis = redis_part(folder)
        await stack.enter_async_context(running(redis, folder))
        settings = settings_beside(folder, redis.url)
        key, ids = await prepare_jobs(settings, jobs)
        ask_models, ask_status = _requests(folder, ids)
        ours = await _started(stack, frontend_part(settings, environment_of(settings)), folder)
        models = await _answer(ours.url, key, ask_models)
        status = await _answer(ours.url, key, ask_status)
        bare_models = await _started(stack, bare_part("bare-models", folder, models), folder)
        bare_status = await _started(stack, bare_part("bare-status", folder, status), folder)
        everyone = [
            Contender("models", ours, key, ask_models),
            Contender("bare models", bare_models, key, ask_models),
            Contender("status", ours, key, ask_status),
            Contender("bare status", bare_status, key, ask_status),
            await _cache_hit(stack, folder),
        ]
        if Path(python_of("bench")).exists():
            part = fastapi_part(settings, await _passed_on(settings, ids[0], status))
            fastapi = await _started(stack, part, folder)
            check_same(status, await _answer(fastapi.url, key, ask_status))
            everyone.append(Contender(FASTAPI, fastapi, key, ask_status))
        else:
            leave_out(FASTAPI, python_of("bench"))
        yield everyone


async def _cache_hit(stack: contextlib.AsyncExitStack, folder: Path) -> Contender:
    """A whole system, whose cache has the picture that is asked for. Raises BenchError."""
    system = await stack.enter_async_context(system_up(folder / "system", NO_LIMITS))
    await put_in(system)
    asked = folder / "hit.jsonl"
    asked.write_bytes(orjson.dumps(HIT_BODY) + b"\n")
    (server,) = (pid for pid in descendants(system.pid) if title(pid) == "cli.main serve")
    return Contender(HIT, ServerProcess(system.url, server), system.key, asked)


def settings_beside(folder: Path, redis_url: str) -> Settings:
    """As in production, but for the parts that neither action asks: nobody listens there."""
    nobody = f"127.0.0.1:{free_port()}"
    return replace(
        Settings(),
        port=free_port(),
        data_dir=folder,
        redis_url=redis_url,
        triton_urls=(nobody,),
        acs_url=f"http://{nobody}",
    )


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "IMGEN_REDIS_URL": settings.redis_url,
        "IMGEN_TRITON_URLS": ",".join(settings.triton_urls),
        "IMGEN_ACS_URL": settings.acs_url,
        **NO_LIMITS,
    }


async def prepare_jobs(settings: Settings, count: int) -> tuple[str, list[str]]:
    """A key, and the ids of its finished jobs."""
    redis = connect(settings.redis_url)
    try:
        record, secret = await Keys(redis).create("bench")
        jobs = JobStore(redis, settings)
        await jobs.prepare()
        catalogue = load(settings.catalogue_dir)
        return secret, await finish_jobs(jobs, catalogue, NO_TEXTS, record.id, count)
    finally:
        await redis.aclose()


def _requests(folder: Path, ids: list[str]) -> tuple[Path, Path]:
    """What a client of the published documentation sends, one request a line."""
    models, status = folder / "models.jsonl", folder / "status.jsonl"
    models.write_bytes(orjson.dumps({"action": "models"}) + b"\n")
    status.write_bytes(b"".join(orjson.dumps({"action": "status", "id": id}) + b"\n" for id in ids))  # noqa: A001
    return models, status


async def _passed_on(settings: Settings, job_id: str, answer: bytes) -> list[str]:
    """The fields that the server's answer takes from the job's record as they are."""
    redis = connect(settings.redis_url)
    try:
        record = orjson.loads(await redis.hget(f"imgen:job:{job_id}", "record") or b"{}")
    finally:
        await redis.aclose()
    return [name for name in orjson.loads(answer)["meta"] if name in record]


def fastapi_part(settings: Settings, passed_on: list[str]) -> SystemPart:
    """`passed_on`: fields of a job's record that go into the answer as they are."""
    port = free_port()
    command = (
        *(python_of("bench"), "-P", "-m", "uvicorn", "perf.baseline_fastapi:app"),
        *("--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"),
        *("--no-access-log", "--log-level", "warning"),
    )
    environment = {
        "PYTHONPATH": str(ROOT),
        "BENCH_FIELDS": ",".join(passed_on),
        "BENCH_REDIS_URL": settings.redis_url,
        "BENCH_FILES_KEY": str(settings.data_dir / "files.key"),
        "BENCH_PUBLIC_URL": f"http://127.0.0.1:{settings.port}",
    }
    return _part("fastapi", port, command, environment)


def bare_part(name: str, folder: Path, body: bytes) -> SystemPart:
    port, file = free_port(), folder / f"{name}.json"
    file.write_bytes(body)
    command = (sys.executable, "-P", "-m", "perf.baseline_aiohttp", str(port), str(file))
    return _part(name, port, command, {"PYTHONPATH": str(ROOT)})


def _part(name: str, port: int, command: tuple[str, ...], environment: dict[str, str]) -> SystemPart:
    url = f"http://127.0.0.1:{port}"
    return SystemPart(
        name=name, url=url, command=command, ready=lambda: answers(f"{url}/healthz"), environment=environment
    )


async def _started(stack: contextlib.AsyncExitStack, part: SystemPart, folder: Path) -> ServerProcess:
    process = await stack.enter_async_context(running(part, folder))
    return ServerProcess(part.url, process.pid)


async def _answer(url: str, key: str, requests: Path) -> bytes:
    body = requests.read_bytes().splitlines()[0]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/v2", data=body, headers=headers) as response:
            response.raise_for_status()
            return await response.read()


def check_same(ours: bytes, theirs: bytes) -> None:
    """Both must build the same JSON; expiry and signature change from second to second. Raises WrkError."""
    one, other = (orjson.loads(_SIGNED.sub(rb"\1", body)) for body in (ours, theirs))
    if one != other:
        metas = [answer.get("meta", {}) for answer in (one, other)]
        names = [name for name in {**metas[0], **metas[1]} if metas[0].get(name) != metas[1].get(name)]
        raise WrkError(
            f"the server and the FastAPI app answer `status` differently ({', '.join(names)}); "
            "bring perf/baseline_fastapi.py in line first"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--warm-up", type=int, default=1, help="seconds before the first round (default: 1)")
    given = read_options(parser, SMOKE)
    try:
        wrk_binary()
        where = machine()
        figures = asyncio.run(compare(given.rounds, given.seconds, given.jobs, given.warm_up))
        publish("api", figures, where, smoke=given.smoke)
    except (BenchError, PartError, WrkError) as error:
        sys.exit(f"bench-api: {error}")


if __name__ == "__main__":
    main()
