"""From `imgen up` to readiness, and from there to the first picture: python -m perf.bench_start [--again 3]

The first start is on an empty data folder: characters are merged and networks compiled. The others find both
there. With the language model, as `make up` has it. Pictures are 1344x768 JPEGs, each polled to its end.
"""

import argparse
import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from cli.instance import Instance
from embedded.part import free_port, python_of
from frontend.settings import ROOT
from perf.processes import cpu_seconds, descendants, title
from perf.report import machine, median, publish, read_options, table
from perf.system import BenchError, System

PROMPT = "a small boat on a calm lake, mountains, warm lighting"
LATER = 2  # pictures after the first
POLL_S = 0.01
PATIENCE_S = 180.0
SMOKE = {"again": 1, "no_llm": True}
PART_IS_READY = re.compile(r"✓ (.+?)\s+([\d.]+) s")


@dataclass(frozen=True)
class TimedStart:
    ready_s: float
    parts_s: Mapping[str, float]  # by the part's title, as `imgen up` tells it
    cpu_s: Mapping[str, float]  # of each process until readiness; those that have ended are not counted
    pictures_s: Sequence[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--again", type=int, default=3, help="starts after the first one")
    parser.add_argument("--no-llm", action="store_true", help="without the packaged language model")
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        first, *later = asyncio.run(measure(given.again, llm=not given.no_llm))
    except BenchError as error:
        sys.exit(f"bench-start: {error}")
    figures = summarise(first, later)
    _show(figures)
    publish("start", figures, where, smoke=given.smoke)


async def measure(again: int, *, llm: bool) -> list[TimedStart]:
    """Raises BenchError."""
    options = () if llm and Path(python_of("llm")).is_file() else ("--no-llm",)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        return [await _start(Path(name), options) for _ in range(1 + again)]


async def _start(folder: Path, options: Sequence[str]) -> TimedStart:
    port, began = free_port(), time.perf_counter()
    async with _up(folder, port, options) as process, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{port}"
        await _until_ready(http, url, process)
        ready = time.perf_counter() - began
        cpu = {title(pid): cpu_seconds(pid) for pid in sorted({process.pid} | descendants(process.pid))}
        while (serving := Instance(folder).serving()) is None:
            await asyncio.sleep(POLL_S)
        system = System(url, serving.key, process.pid, http)
        pictures = [(await system.draw(PROMPT, use_cache=False)).seconds for _ in range(1 + LATER)]
        process.send_signal(signal.SIGINT)
        _, told = await process.communicate()
    parts = {part: float(took) for part, took in PART_IS_READY.findall(told.decode())}
    return TimedStart(ready, parts, cpu, pictures)


@contextlib.asynccontextmanager
async def _up(folder: Path, port: int, options: Sequence[str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "up", "--quiet", *options),
        cwd=ROOT,
        env={**os.environ, "IMGEN_PORT": str(port), "IMGEN_DATA_DIR": str(folder)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await process.communicate()


async def _until_ready(http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < deadline:
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(f"{url}/readyz") as response:
                if response.status == 200:
                    return
        if process.returncode is not None:
            raise BenchError("`imgen up` ended; try it by hand")
        await asyncio.sleep(POLL_S)
    raise BenchError(f"not ready within {PATIENCE_S:.0f} s")


def summarise(first: TimedStart, later: Sequence[TimedStart]) -> dict[str, Any]:
    """Medians of the later starts."""
    return {
        "first": _figures([first]),
        "again": _figures(later),
        "again_ready_s": [round(each.ready_s, 2) for each in later],
    }


def _figures(starts: Sequence[TimedStart]) -> dict[str, Any]:
    names = starts[0].parts_s.keys(), starts[0].cpu_s.keys()
    return {
        "ready_s": median([each.ready_s for each in starts], 2),
        "first_picture_s": median([each.pictures_s[0] for each in starts], 2),
        "later_picture_s": median([seconds for each in starts for seconds in each.pictures_s[1:]], 2),
        "parts_s": {name: median([each.parts_s.get(name, 0.0) for each in starts], 2) for name in names[0]},
        "cpu_s": {name: median([each.cpu_s.get(name, 0.0) for each in starts], 2) for name in names[1]},
        "cpu_whole_s": median([sum(each.cpu_s.values()) for each in starts], 2),
    }


def _show(figures: Mapping[str, Any]) -> None:
    first, again = figures["first"], figures["again"]
    rows = [
        ("to /readyz", first["ready_s"], again["ready_s"]),
        ("from there to the first picture", first["first_picture_s"], again["first_picture_s"]),
        ("a later picture", first["later_picture_s"], again["later_picture_s"]),
        *(
            (f"until {name} is ready", took, again["parts_s"].get(name, 0.0))
            for name, took in first["parts_s"].items()
        ),
        *(
            (f"processor: {name}", used, again["cpu_s"].get(name, 0.0))
            for name, used in first["cpu_s"].items()
        ),
        ("processor: all that still run", first["cpu_whole_s"], again["cpu_whole_s"]),
    ]
    table("A start of the whole system", ("s", "first", "again"), rows)


def _rows(
    words: str, first: Mapping[str, float], again: Mapping[str, float]
) -> list[tuple[str, float, float]]:
    return [(words.format(name), value, again.get(name, 0.0)) for name, value in first.items()]


if __name__ == "__main__":
    main()
