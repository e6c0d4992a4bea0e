"""Finishing a 1344x768 picture: each stage and the whole beside the bare library calls.

python -m perf.bench_finish [PICTURE] [--rounds 15] [--runs 8] [--realtime]

Also how many pictures a second two threads finish, and for how long the event loop is held meanwhile.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from PIL import Image

from frontend.domain.picture import Encoding, Finished, Picture, Watermark
from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.finish import Finisher, Tools, finish
from frontend.invisible_mark.keys import load_keys
from frontend.serve import keep_what_is_built
from frontend.settings import Settings
from perf.finish_parts import CREDENTIALS, JPEG, QUALITY, Pixels, check_same, mark, parts, scene
from perf.loop_watch import Lateness, watched
from perf.report import machine, publish, read_options, table
from perf.stall_watch import stall_watch

THREADS = 2
AT_A_TIME = 8  # a server process works on so many jobs
# Between runs: of each second Linux keeps a twentieth for those whom real-time threads crowd out.
PAUSE_S = 1.0
SMOKE = {"rounds": 1, "runs": 1, "pictures": 4}
CASES = {"jpeg": JPEG} | {
    f"{kind} lossless" if lossless else kind: Encoding(format=kind, quality=QUALITY, lossless=lossless)
    for kind, lossless in [("png", False), ("webp", False), ("webp", True), ("avif", False), ("avif", True)]
}


def timed(call: Callable[[], object]) -> float:
    """ms"""
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1000


def compare(pixels: Pixels, tools: Tools, folder: Path, rounds: int) -> dict[str, Any]:
    """Whole and bare calls by turns, on one thread; ratios round by round."""
    bare = parts(pixels, tools.codes, folder)
    check_same({stage: call() for stage, call in bare.items()}, pixels)
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
    pairs = {**stages, "whole": whole_ms}
    shares = {name: round(one / other, 3) for name, (one, other) in pairs.items()}
    table(
        "milliseconds a picture, JPEG quality 95; the watermark was laid before",
        ["stage", "finishing", "bare calls", "ratio"],
        [[name, *pair, shares[name]] for name, pair in pairs.items()],
    )
    whole_ratio = round(median(ratios[1:]), 3)
    return {"vs_parts": whole_ratio, "stages_ms": stages, "whole_ms": whole_ms, "of_medians": shares}


def _middle(rounds: Sequence[dict[str, float]], stage: str) -> float:
    return round(median(one[stage] for one in rounds), 2)


def formats(pixels: Pixels, tools: Tools, rounds: int) -> dict[str, Any]:
    figures = {}
    for name, encoding in CASES.items():
        runs = [finish(Picture(pixels), mark(), encoding, CREDENTIALS, tools) for _ in range(rounds)]
        whole = median(sum(run.timings_ms.values()) for run in runs)
        encode = median(run.timings_ms["encode"] for run in runs)
        size = len(runs[0].picture.data) / 1024
        figures[name] = {"whole_ms": round(whole, 1), "encode_ms": round(encode, 1), "kib": round(size)}
    table(
        "milliseconds a picture",
        ["format", "whole", "encode", "KiB"],
        [[n, *f.values()] for n, f in figures.items()],
    )
    return figures


async def crowd(pixels: Pixels, tools: Tools, runs: int, pictures: int, realtime: bool) -> dict[str, Any]:
    """Many pictures on the finisher's threads, while the loop that handed them over is watched."""
    with stall_watch(3 if realtime else 0) as stalls:
        turns, speeds, spent = await _turns(pixels, tools, runs, pictures, realtime)
    spreads = {name: one.without(stalls).spread() for name, one in turns.items()}
    stood = [1000 * (end - start) for start, end in stalls.spans]
    columns = ["", "half", "99 of 100", "most", "held: half", "99 of 100", "most"]
    table(
        f"ms that the loop is late beside {THREADS} threads; held: not waiting for a processor or its host",
        columns,
        [[name, *spread] for name, spread in spreads.items()],
    )
    figures = {
        "per_second": round(median(speeds), 1),
        "cpu_ms": round(spent * 1000 / (runs * pictures), 1),
        "loop_block_ms": max(spread[5] for spread in spreads.values()),
        "loop_late_ms": {name: spread[:3] for name, spread in spreads.items()},
        "loop_held_ms": {name: spread[3:] for name, spread in spreads.items()},
        "host_stalls": len(stood),
        "host_stall_ms": round(max(stood, default=0.0), 2),
    }
    title = f"{THREADS} threads, {AT_A_TIME} pictures at a time; cpu_ms: processor time of one"
    shown = ("per_second", "cpu_ms", "host_stalls", "host_stall_ms")
    table(title, ["", ""], [[name, figures[name]] for name in shown])
    return figures


async def _turns(
    pixels: Pixels, tools: Tools, runs: int, pictures: int, realtime: bool
) -> tuple[dict[str, Lateness], list[float], float]:
    """Lateness of the loop beside each kind of work, pictures a second of each run, processor seconds."""
    speeds, spent, late = [], 0.0, Lateness()
    async with Finisher.start(tools, THREADS) as finisher:
        batch = partial(_batch, finisher, Picture(pixels), mark())
        await batch(JPEG, AT_A_TIME)  # opens the threads, which inherit the priority of this one
        keep_what_is_built()  # as the server does
        if realtime:
            raise_priority(2)
        _, alone = await watched(asyncio.sleep(1.0))
        pause_s = PAUSE_S if realtime else 0.0
        for _ in range(runs):
            await asyncio.sleep(pause_s)
            started, before = time.perf_counter(), time.process_time()
            _, lateness = await watched(batch(JPEG, pictures))
            speeds.append(pictures / (time.perf_counter() - started))
            spent += time.process_time() - before
            late = late + lateness
        others = {}
        for name, encoding in CASES.items():
            await asyncio.sleep(pause_s)
            _, others[name] = await watched(batch(encoding, AT_A_TIME))
    return {"nothing to do": alone, f"jpeg, {runs} runs": late, **others}, speeds, spent


async def _batch(
    finisher: Finisher, picture: Picture, order: Watermark, encoding: Encoding, pictures: int
) -> None:
    places = asyncio.Semaphore(AT_A_TIME)

    async def placed() -> None:
        async with places:
            await finisher.finish(picture, order, encoding, CREDENTIALS)

    await asyncio.gather(*(placed() for _ in range(pictures)))


def raise_priority(level: int) -> None:
    """Of this thread and of those that it opens, above everything else on the machine. For root."""
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(level))


def measure(pixels: Pixels, rounds: int, runs: int, pictures: int, realtime: bool) -> dict[str, Any]:
    if realtime:
        raise_priority(1)
    with tempfile.TemporaryDirectory() as name:
        settings = Settings(data_dir=Path(name))
        with Signatory(load_certificate(settings)) as signatory:
            tools = Tools(signatory, load_keys(settings.mark_key, settings.data_dir).writing)
            crowded = asyncio.run(crowd(pixels, tools, runs, pictures, realtime))
            compared = compare(pixels, tools, settings.data_dir, rounds)
            others = formats(pixels, tools, max(1, rounds // 5))
            return {**compared, **crowded, "formats": others, "realtime": realtime}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", help="a picture file to use in place of the drawn scene")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--runs", type=int, default=8, help="to watch the loop in (default: 8)")
    parser.add_argument("--pictures", type=int, default=24, help="of one run (default: 24)")
    parser.add_argument("--realtime", action="store_true", help="before all else on this machine; for root")
    given = read_options(parser, SMOKE)
    if cores := sorted(os.sched_getaffinity(0))[THREADS:]:
        os.sched_setaffinity(0, os.sched_getaffinity(0) - set(cores))
    where = machine()
    pixels = (
        np.asarray(Image.open(given.picture).convert("RGB").resize((1344, 768))) if given.picture else scene()
    )
    figures = measure(pixels, given.rounds, given.runs, given.pictures, given.realtime)
    publish("finish", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
