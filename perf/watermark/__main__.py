"""python -m perf.watermark [--pictures 66] [--pairs 12] [--unmarked 2000] [--rivals 12]

Every picture is marked and attacked in every way; pairs of attacks go round, so that all of them are tried
and each picture sees some. Rivals are slower by far: they see fewer pictures. What is not installed, rivals
or pictures that packages ship, is left out.
"""

import argparse
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from perf.report import leave_out, machine, publish, read_options, table
from perf.watermark.attacks import ATTACKS, PAIRS, Pixels, pair
from perf.watermark.marks import MARKS, Mark, missing, recovered
from perf.watermark.pictures import Sample, samples

NONE = "nothing"
SMOKE = {"pictures": 1, "pairs": 1, "unmarked": 2, "rivals": 1, "attacks": 1, "shrink": 2}
CROP = 384
"""Pixels of the side of an unmarked piece; every tenth is a whole picture."""


@dataclass
class Tally:
    """Of one mark, over pictures."""

    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)
    write_ms: list[float] = field(default_factory=list)
    read_ms: list[float] = field(default_factory=list)
    kept: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    lost: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    mark: str
    number: int
    sample: Sample
    attacks: Sequence[str]
    pairs: Sequence[tuple[str, str]]


_marks: dict[str, Mark] = {}


def _mark(name: str) -> Mark:
    if name not in _marks:
        cv2.setNumThreads(1)
        _marks[name] = MARKS[name]()
    return _marks[name]


def judge(task: Task) -> tuple[str, Tally]:
    """One picture under one mark. Times are of the processor, so that other work does not count."""
    mark, tally, pixels = _mark(task.mark), Tally(), task.sample.pixels
    identity = random.Random(task.number).getrandbits(64)
    begin = time.process_time()
    marked = mark.write(pixels, identity)
    tally.write_ms.append((time.process_time() - begin) * 1e3)
    error = np.square(marked.astype(np.float64) - pixels).mean()
    tally.psnr.append(float(10 * np.log10(255**2 / max(error, 1e-9))))
    if find_spec("skimage"):
        from skimage.metrics import structural_similarity

        tally.ssim.append(float(structural_similarity(pixels, marked, channel_axis=2)))
    for name, attacked in _attacked(marked, task):
        begin = time.process_time()
        found = mark.read(attacked)
        tally.read_ms.append((time.process_time() - begin) * 1e3)
        kept = recovered(mark, identity, found)
        tally.kept[name].append(kept)
        if not kept:
            tally.lost.append(f"{task.sample.kind} {task.sample.name}: {name}")
    return task.mark, tally


def _attacked(marked: Pixels, task: Task) -> Iterator[tuple[str, Pixels]]:
    yield NONE, marked
    for name in task.attacks:
        yield name, ATTACKS[name](marked)
    for names in task.pairs:
        yield " + ".join(names), pair(names, marked)


def scan(pieces: Sequence[Pixels]) -> tuple[int, list[float]]:
    """How many unmarked pieces are said to hold a mark, and the time of each."""
    mark, positives, times = _mark("imgen"), 0, []
    for piece in pieces:
        begin = time.process_time()
        positives += mark.read(piece) is not None
        times.append((time.process_time() - begin) * 1e3)
    return positives, times


def pieces(chosen: Sequence[Sample], count: int) -> Iterator[list[Pixels]]:
    """`count` pieces of unmarked pictures, in packs."""
    place = random.Random(1)
    pack: list[Pixels] = []
    for number in range(count):
        pixels = chosen[number % len(chosen)].pixels
        if number % 10:
            top, left = (place.randrange(side - CROP + 1) for side in pixels.shape[:2])
            pixels = pixels[top : top + CROP, left : left + CROP].copy()
        pack.append(pixels)
        if len(pack) == 20 or number + 1 == count:
            yield pack
            pack = []


def measure(given: argparse.Namespace) -> dict[str, Any]:
    chosen = list(
        islice(track(samples(shrink=given.shrink), "making pictures", total=given.pictures), given.pictures)
    )
    step = max(1, len(chosen) // given.rivals)
    tasks, attacks = [], list(ATTACKS)[: given.attacks]
    left_out = [leave_out(name, package) for name in MARKS if (package := missing(name))]
    for name in (name for name in MARKS if name not in left_out):
        of = chosen if name == "imgen" else chosen[::step][: given.rivals]
        rounds = given.pairs if name == "imgen" else 0
        for number, sample in enumerate(of):
            turn = [PAIRS[(number * rounds + place) % len(PAIRS)] for place in range(rounds)]
            tasks.append(Task(name, number, sample, attacks, turn))
    tallies: dict[str, Tally] = defaultdict(Tally)
    with ProcessPoolExecutor(given.processes) as pool:
        for name, one in track(pool.map(judge, tasks), "marking and attacking", total=len(tasks)):
            _add(tallies[name], one)
        packs = list(pieces(chosen, given.unmarked))
        scans = list(track(pool.map(scan, packs), "scanning unmarked pieces", total=len(packs)))
    figures = _figures(tallies, scans, len(chosen), given.unmarked)
    return {**figures, "left_out": left_out}


def _add(whole: Tally, one: Tally) -> None:
    for values, more in (
        (whole.psnr, one.psnr),
        (whole.ssim, one.ssim),
        (whole.write_ms, one.write_ms),
        (whole.read_ms, one.read_ms),
    ):
        values.extend(more)
    for name, kept in one.kept.items():
        whole.kept[name].extend(kept)
    whole.lost.extend(one.lost)


def _figures(
    tallies: dict[str, Tally], scans: list[tuple[int, list[float]]], pictures: int, unmarked: int
) -> dict[str, Any]:
    shares = {
        name: {attack: round(statistics.mean(kept), 3) for attack, kept in tally.kept.items()}
        for name, tally in tallies.items()
    }
    ours, single = tallies["imgen"], [NONE, *ATTACKS]
    attacked = [name for name in ATTACKS if name in ours.kept]
    in_pairs = [kept for name, kept in ours.kept.items() if name not in single]
    return {
        "single": round(statistics.mean([one for name in attacked for one in ours.kept[name]]), 4),
        "worst_single": min(shares["imgen"][name] for name in attacked),
        "pairs": round(statistics.mean([one for kept in in_pairs for one in kept]), 4) if in_pairs else None,
        "false_positives": sum(count for count, _ in scans),
        "unmarked": unmarked,
        "psnr": round(statistics.mean(ours.psnr), 2),
        "write_ms": round(statistics.median(ours.write_ms), 1),
        "read_ms": round(statistics.median(ours.read_ms)),
        "scan_ms": round(max(time for _, times in scans for time in times), 0) if scans else None,
        "pictures": pictures,
        "marks": {
            name: {
                "bits": MARKS[name]().bits if name != "rivaGan" else 32,
                "pictures": len(tally.psnr),
                "psnr": round(statistics.mean(tally.psnr), 2),
                "ssim": round(statistics.mean(tally.ssim), 4) if tally.ssim else None,
                "write_ms": round(statistics.median(tally.write_ms), 1),
                "read_ms": round(statistics.median(tally.read_ms), 1),
                "kept": {attack: share for attack, share in shares[name].items() if attack in single},
            }
            for name, tally in tallies.items()
        },
        "pairs_kept": {name: share for name, share in shares["imgen"].items() if name not in single},
        "lost": ours.lost,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=61)
    parser.add_argument(
        "--pairs", type=int, default=12, help="pairs of attacks for each picture (default 12)"
    )
    parser.add_argument("--unmarked", type=int, default=2000)
    parser.add_argument("--rivals", type=int, default=12, help="pictures that the other marks see")
    parser.add_argument("--attacks", type=int, default=len(ATTACKS), help="the first so many (default: all)")
    parser.add_argument("--shrink", type=int, default=1, help="pictures' sides by this (default 1)")
    parser.add_argument("--processes", type=int, default=2)
    given = read_options(parser, SMOKE, arguments)
    where = machine()
    figures = measure(given)
    marks = figures["marks"]
    rows: list[list[object]] = [
        [name, *(one.get(name, one["kept"].get(name, "")) for one in marks.values())]
        for name in ("bits", "pictures", "psnr", "ssim", "write_ms", "read_ms", NONE, *ATTACKS)
    ]
    title = (
        f"Share of pictures with the right id. Pairs of attacks: {figures['pairs']}; "
        f"{figures['false_positives']} of {figures['unmarked']} unmarked pieces taken for marked"
    )
    table(title, ("", *marks), rows)
    check_read(marks)
    publish("watermark", figures, where, smoke=given.smoke)


def check_read(marks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises SystemExit where a mark is not even read from the pictures that it was laid on."""
    if unread := [name for name, figures in marks.items() if not figures["kept"][NONE]]:
        sys.exit(f"bench-watermark: never read, not even untreated: {', '.join(unread)}")


if __name__ == "__main__":
    main()
