"""Finishing a 1344x768 picture: each stage and the whole beside the bare library calls.

python -m perf.bench_finish [PICTURE] [--rounds 15] [--pictures 60]

Also how many pictures a second two threads finish, and for how long the event loop is held meanwhile.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.finish import Finisher, Tools, finish
from frontend.invisible_mark.keys import load_mark_keys
from frontend.picture import Encoding, Finished, Picture
from frontend.serve import keep_what_is_built
from frontend.settings import Settings
from perf.finish_parts import CREDENTIALS, QUALITY, Pixels, mark, parts, scene
from perf.loop_watch import watched
from perf.report import machine, publish, table

THREADS = 2
AT_A_TIME = 8  # a server process works on so many jobs
CASES = [("jpeg", False), ("png", False), ("webp", False), ("webp", True), ("avif", False), ("avif", True)]
JPEG = Encoding(format="jpeg", quality=QUALITY, lossless=False)


def timed(call: Callable[[], object]) -> float:
    """ms"""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def compare(pixels: Pixels, tools: Tools, folder: Path, rounds: int) -> dict[str, Any]:
    """Whole and bare calls by turns, on one thread; ratios round by round."""
    bare = parts(pixels, tools.codes, folder)
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    ratios: list[float] = []
    for _ in range(rounds + 1):
        done: list[Finished] = []
        order = mark()
        whole = timed(lambda: done.append(finish(Picture(pixels), order, JPEG, CREDENTIALS, tools)))  # noqa: B023
        ours.append({**done[0].timings_ms, "whole": whole})
        theirs.append({stage: timed(call) for stage, call in bare.items()})
        ratios.append(whole / sum(theirs[-1].values()))
    stages = {name: [_middle(ours[1:], name), _middle(theirs[1:], name)] for name in bare}
    whole_ms = [_middle(ours[1:], "whole"), round(median(sum(one.values()) for one in theirs[1:]), 2)]
    table(
        "milliseconds a picture, JPEG quality 95; the watermark was laid before",
        ["stage", "finishing", "bare calls", "ratio"],
        [[name, *pair, pair[0] / pair[1]] for name, pair in [*stages.items(), ("whole", whole_ms)]],
    )
    return {"vs_parts": round(median(ratios[1:]), 3), "stages_ms": stages, "whole_ms": whole_ms}


def _middle(rounds: Sequence[dict[str, float]], stage: str) -> float:
    return round(median(one[stage] for one in rounds), 2)


def formats(pixels: Pixels, tools: Tools, rounds: int) -> dict[str, Any]:
    figures = {}
    for kind, lossless in CASES:
        encoding = Encoding(format=kind, quality=QUALITY, lossless=lossless)
        runs = [finish(Picture(pixels), mark(), encoding, CREDENTIALS, tools) for _ in range(rounds)]
        whole = median(sum(run.timings_ms.values()) for run in runs)
        encode = median(run.timings_ms["encode"] for run in runs)
        name = f"{kind} lossless" if lossless else kind
        size = len(runs[0].picture.data) / 1024
        figures[name] = {"whole_ms": round(whole, 1), "encode_ms": round(encode, 1), "kib": round(size)}
    table(
        "milliseconds a picture",
        ["format", "whole", "encode", "KiB"],
        [[n, *f.values()] for n, f in figures.items()],
    )
    return figures


async def crowd(pixels: Pixels, tools: Tools, pictures: int) -> dict[str, Any]:
    """Many pictures on the finisher's threads, while the loop that handed them over is watched."""
    _, by_itself = await watched(asyncio.sleep(1.0))
    busy = await asyncio.gather(*(_busy() for _ in range(THREADS)))
    try:
        _, beside = await watched(asyncio.sleep(2.0))
    finally:
        for process in busy:
            process.kill()
            await process.wait()
    async with Finisher.running(tools, THREADS) as finisher:

        async def one() -> Finished:
            return await finisher.finish(Picture(pixels), mark(), JPEG, CREDENTIALS)

        await asyncio.gather(*(one() for _ in range(AT_A_TIME)))
        keep_what_is_built()  # as the server does
        started, spent = time.perf_counter(), time.process_time()
        _, late = await watched(_all(one, pictures))
        took, cpu = time.perf_counter() - started, time.process_time() - spent
    rows = [
        ["nothing else to do", *by_itself.spread()],
        [f"{THREADS} busy processes beside it", *beside.spread()],
        [f"{THREADS} threads finishing", *late.spread()],
    ]
    columns = ["", "half", "99 of 100", "most", "held: half", "99 of 100", "most"]
    table("ms that the event loop comes late; held: without waiting for a processor", columns, rows)
    figures = {"pictures/s": pictures / took, "processor ms a picture": cpu * 1000 / pictures}
    table(f"{THREADS} threads, {AT_A_TIME} pictures at a time", ["", ""], [[*row] for row in figures.items()])
    return {
        "per_second": round(pictures / took, 1),
        "cpu_ms": round(cpu * 1000 / pictures, 1),
        "loop_block_ms": max(late.held),
        "loop_late_ms": dict(
            zip(("alone", "busy_processes", "finishing"), (row[1:4] for row in rows), strict=True)
        ),
        "loop_held_ms": dict(
            zip(("alone", "busy_processes", "finishing"), (row[4:] for row in rows), strict=True)
        ),
    }


async def _all(one: Callable[[], Awaitable[Finished]], pictures: int) -> None:
    places = asyncio.Semaphore(AT_A_TIME)

    async def placed() -> None:
        async with places:
            await one()

    await asyncio.gather(*(placed() for _ in range(pictures)))


async def _busy() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")


def measure(pixels: Pixels, rounds: int, pictures: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data_dir=Path(name))
        with Signatory(load_certificate(settings)) as signatory:
            tools = Tools(signatory, load_mark_keys(settings).writing)
            crowded = asyncio.run(crowd(pixels, tools, pictures))
            compared = compare(pixels, tools, settings.data_dir, rounds)
            return {**compared, **crowded, "formats": formats(pixels, tools, max(3, rounds // 5))}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", help="a picture file to use in place of the drawn scene")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--pictures", type=int, default=60)
    given = parser.parse_args()
    if cores := sorted(os.sched_getaffinity(0))[THREADS:]:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - set(cores))
    where = machine()
    pixels = (
        np.asarray(Image.open(given.picture).convert("RGB").resize((1344, 768))) if given.picture else scene()
    )
    publish("finish", measure(pixels, given.rounds, given.pictures), where)


if __name__ == "__main__":
    main()
