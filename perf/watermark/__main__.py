"""python -m perf.watermark [--pictures 66] [--pairs 12] [--unmarked 2000] [--rivals 12]

Every picture is marked and attacked in every way; pairs of attacks go round, so that all of them are tried
and each picture sees some. Rivals are slower by far: they see fewer pictures.
"""

import argparse
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import cv2
import numpy as np
from rich.progress import track
from skimage.metrics import structural_similarity

from perf.report import machine, publish, table
from perf.watermark.attacks import ATTACKS, PAIRS, Pixels, pair
from perf.watermark.marks import MARKS, Mark, recovered
from perf.watermark.pictures import Sample, samples

NONE = "nothing"
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
    tally.ssim.append(float(structural_similarity(pixels, marked, channel_axis=2)))
    for name, attacked in _attacked(marked, task.pairs):
        begin = time.process_time()
        found = mark.read(attacked)
        tally.read_ms.append((time.process_time() - begin) * 1e3)
        kept = recovered(mark, identity, found)
        tally.kept[name].append(kept)
        if not kept:
            tally.lost.append(f"{task.sample.kind} {task.sample.name}: {name}")
    return task.mark, tally


def _attacked(marked: Pixels, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Pixels]]:
    yield NONE, marked
    for name, attack in ATTACKS.items():
        yield name, attack(marked)
    for names in pairs:
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
    chosen = list(islice(track(samples(), "making pictures", total=given.pictures), given.pictures))
    step = max(1, len(chosen) // given.rivals)
    tasks = []
    for name in MARKS:
        of = chosen if name == "imgen" else chosen[::step][: given.rivals]
        rounds = given.pairs if name == "imgen" else 0
        for number, sample in enumerate(of):
            turn = [PAIRS[(number * rounds + place) % len(PAIRS)] for place in range(rounds)]
            tasks.append(Task(name, number, sample, turn))
    tallies: dict[str, Tally] = defaultdict(Tally)
    with ProcessPoolExecutor(given.processes) as pool:
        for name, one in track(pool.map(judge, tasks), "marking and attacking", total=len(tasks)):
            _add(tallies[name], one)
        packs = list(pieces(chosen, given.unmarked))
        scans = list(track(pool.map(scan, packs), "scanning unmarked pieces", total=len(packs)))
    return _figures(tallies, scans, len(chosen), given.unmarked)


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
    in_pairs = [kept for name, kept in ours.kept.items() if name not in single]
    return {
        "single": round(statistics.mean([one for name in ATTACKS for one in ours.kept[name]]), 4),
        "worst_single": min(shares["imgen"][name] for name in ATTACKS),
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
                "ssim": round(statistics.mean(tally.ssim), 4),
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
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args(arguments)
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
    publish("watermark", figures, where)


if __name__ == "__main__":
    main()
