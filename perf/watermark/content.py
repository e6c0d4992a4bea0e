"""python -m perf.watermark.content [--pictures 61] [--pairs 2] [--foreign 20000]

What it costs that a mark is proof only where the content agrees: marked pictures under attack whose mark is
read, but whose content is not seen to agree. And what it brings: the mark of each picture is moved to another
one in several ways (moves.py), and where it is read there, the content must not agree. Beside that, foreign
pictures, whole and cropped, are held against registered ones as if the mark had been moved without loss.
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

from frontend.domain.luma_grid import LumaGrid
from frontend.invisible_mark.codes import SIDE, Codes, bits_of
from frontend.invisible_mark.content import AGREES, AlignedLuma, agreement, align, luma_grid
from frontend.invisible_mark.reading import MarkReading, read
from frontend.invisible_mark.writing import CHIP, write
from perf.report import machine, publish, read_options, table
from perf.watermark.attacks import ATTACKS, PAIRS, Pixels, cropped, pair
from perf.watermark.marks import WRONG_BITS
from perf.watermark.moves import MOVES, fitted
from perf.watermark.pictures import samples

NONE, PAIRED, WITH_KEY = "nothing", "pairs of attacks", "laid with the key"
SMOKE = {"pictures": 2, "pairs": 1, "foreign": 8, "attacks": 1, "shrink": 2, "processes": 1}
CROPS = (1.0, 0.7, 0.5, 0.35)
CODES = Codes.of(b"the benchmark's own secret, 32 B.")


@dataclass(frozen=True)
class Trial:
    number: int
    ours: Pixels
    foreign: Pixels
    attacks: Sequence[str]
    pairs: Sequence[tuple[str, str]]


@dataclass
class Agreements:
    """By what was done: how well the content agreed wherever the mark was read, and how often it was not."""

    attacked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    moved: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    unread: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    ms: list[float] = field(default_factory=list)


def judge(trial: Trial) -> Agreements:
    cv2.setNumThreads(1)
    found, identity = Agreements(), random.Random(trial.number).getrandbits(64)
    ours = write(trial.ours, identity, CODES)
    registered = luma_grid(ours)
    for name, pixels in _attacked(ours, trial):
        _add(found, found.attacked, name, pixels, identity, registered)
    for name, pixels in _moved(ours, trial, identity):
        _add(found, found.moved, name, pixels, identity, registered)
    return found


def _attacked(ours: Pixels, trial: Trial) -> Iterator[tuple[str, Pixels]]:
    yield NONE, ours
    for name in trial.attacks:
        yield name, ATTACKS[name](ours)
    for names in trial.pairs:
        yield PAIRED, pair(names, ours)


def _moved(ours: Pixels, trial: Trial, identity: int) -> Iterator[tuple[str, Pixels]]:
    yield WITH_KEY, write(fitted(trial.foreign, ours), identity, CODES)
    for name, move in MOVES.items():
        yield name, move(ours, trial.foreign)


def _add(
    found: Agreements,
    to: dict[str, list[float]],
    name: str,
    pixels: Pixels,
    identity: int,
    registered: LumaGrid,
) -> None:
    reading = read(pixels, [CODES])
    if reading is None or (bits_of(reading.soft) ^ identity).bit_count() > WRONG_BITS:
        found.unread[name] += 1
        return
    begin = time.process_time()
    to[name].append(agreement(align(pixels, reading), registered))
    found.ms.append((time.process_time() - begin) * 1e3)


def foreign_agreements(pictures: Sequence[Pixels], count: int) -> Iterator[float]:
    """Of `count` pairs of different pictures, one of them whole or a piece, anywhere within a tile."""
    place = random.Random(1)
    grids = [luma_grid(pixels) for pixels in pictures]
    pieces = [
        (number, piece)
        for number, pixels in enumerate(pictures)
        for share in CROPS
        for piece in _anywhere(cropped(pixels, share), place)
    ]
    for turn in range(count):
        number, seen = pieces[turn % len(pieces)]
        others = [grid for other, grid in enumerate(grids) if other != number]
        yield agreement(seen, place.choice(others))


def _anywhere(pixels: Pixels, place: random.Random) -> Iterator[AlignedLuma]:
    """As if a mark had been read that begins anywhere, in the picture and in its mirror image."""
    for mirrored in (False, True):
        reading = MarkReading(
            soft=np.zeros(1, np.float32),
            variant=0,
            score=0,
            version=1,
            mirrored=mirrored,
            edges=np.eye(2) * SIDE * CHIP,
            origin=(place.random(), place.random()),
        )
        yield align(pixels, reading)


def measure(given: argparse.Namespace) -> dict[str, Any]:
    chosen = [
        sample.pixels
        for sample in islice(
            track(samples(shrink=given.shrink), "making pictures", total=given.pictures), given.pictures
        )
    ]
    trials = []
    for number, pixels in enumerate(chosen):
        turn = [PAIRS[(number * given.pairs + at) % len(PAIRS)] for at in range(given.pairs)]
        foreign = chosen[(number + len(chosen) // 2) % len(chosen)]
        trials.append(Trial(number, pixels, foreign, list(ATTACKS)[: given.attacks], turn))
    found = Agreements()
    with ProcessPoolExecutor(given.processes) as pool:
        for one in track(pool.map(judge, trials), "attacking and moving", total=len(trials)):
            _merge(found, one)
    strangers = list(
        track(foreign_agreements(chosen, given.foreign), "foreign pictures", total=given.foreign)
    )
    return _figures(found, strangers, len(chosen))


def _merge(whole: Agreements, one: Agreements) -> None:
    for to, more in ((whole.attacked, one.attacked), (whole.moved, one.moved)):
        for name, values in more.items():
            to[name].extend(values)
    for name, count in one.unread.items():
        whole.unread[name] += count
    whole.ms.extend(one.ms)


def _figures(found: Agreements, strangers: list[float], pictures: int) -> dict[str, Any]:
    attacked = [value for values in found.attacked.values() for value in values]
    moved = [value for values in found.moved.values() for value in values]
    return {
        "lost": round(statistics.mean(value < AGREES for value in attacked), 4),
        "recovered": len(attacked),
        "false_agreements": sum(value >= AGREES for value in moved),
        "moved": len(moved),
        "foreign_agreements": sum(value >= AGREES for value in strangers),
        "foreign": len(strangers),
        "foreign_highest": round(max(strangers), 3),
        "threshold": AGREES,
        "pictures": pictures,
        "agree_ms": round(statistics.median(found.ms), 1),
        "bytes": len(luma_grid(np.zeros((768, 1344, 3), np.uint8)).cells),
        "by_attack": {name: _row(values, found.unread[name], min) for name, values in found.attacked.items()},
        "by_move": {name: _row(found.moved[name], found.unread[name], max) for name in (WITH_KEY, *MOVES)},
    }


def _row(values: list[float], unread: int, worst: Any) -> dict[str, Any]:
    return {
        "read": len(values),
        "unread": unread,
        "agree": sum(value >= AGREES for value in values),
        "worst": round(worst(values), 3) if values else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=61)
    parser.add_argument("--pairs", type=int, default=2, help="pairs of attacks for each picture (default 2)")
    parser.add_argument("--foreign", type=int, default=20_000, help="pairs of different pictures")
    parser.add_argument("--attacks", type=int, default=len(ATTACKS), help="the first so many (default: all)")
    parser.add_argument("--shrink", type=int, default=1, help="pictures' sides by this (default 1)")
    parser.add_argument("--processes", type=int, default=2)
    given = read_options(parser, SMOKE, arguments)
    where = machine()
    figures = measure(given)
    rows = [
        (name, one["read"], one["unread"], one["agree"], one["worst"])
        for name, one in (figures["by_attack"] | figures["by_move"]).items()
    ]
    table(
        f"Content agrees from {AGREES} on. Of {figures['recovered']} marks that were read again "
        f"{figures['lost']:.2%} are lost; of {figures['moved']} moved ones that were read "
        f"{figures['false_agreements']} agree, of {figures['foreign']} foreign pictures "
        f"{figures['foreign_agreements']}",
        ("", "mark read", "not read", "content agrees", "lowest; of moved, highest"),
        rows,
    )
    publish("watermark-content", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
