"""Gives a target many changed files, and tells what came of it."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from tests.fuzz.mutation import changed, corpus
from tests.memory import forget_peak, peak_mb

SHOWN = 5


@dataclass(frozen=True)
class Target:
    """`read` returns a word for what came of a file: "read", "refused", or the limit that ended it.

    It raises for anything else: that is a finding.
    """

    name: str
    read: Callable[[bytes], str]
    slow: Sequence[bytes] = ()  # files that take long; given as they are, and in no other form
    corpus: str = ""  # its folder, where that has another name


@dataclass(frozen=True, kw_only=True)
class FuzzReport:
    files: int
    outcomes: dict[str, int]
    findings: list[str]  # at most SHOWN; a file is made again by its number
    found: int
    slowest_s: float
    growth_mb: float  # of the most memory that this process had

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def fuzz(target: Target, count: int) -> FuzzReport:
    """First every file of the corpus and every slow one as it is, then `count` changed ones."""
    seeds = corpus(target.corpus or target.name)
    for seed in seeds:
        target.read(seed)
    forget_peak()
    before = peak_mb()
    outcomes: Counter[str] = Counter()
    findings: list[str] = []
    slowest = 0.0
    for number in range(-len(target.slow), count):
        if number == 0:  # a fast machine reads slow files to their end: their pixels are gone, or count
            forget_peak()
        data = target.slow[number] if number < 0 else changed(seeds, target.name, number)
        begun = time.perf_counter()
        try:
            outcomes[target.read(data)] += 1
        except Exception as error:  # the point of it: nothing but the target's own refusals may come out
            outcomes["found"] += 1
            findings.append(f"{target.name} {number}: {error!r}"[:500])
        slowest = max(slowest, time.perf_counter() - begun)
    return FuzzReport(
        files=count + len(target.slow),
        outcomes=dict(outcomes),
        findings=findings[:SHOWN],
        found=len(findings),
        slowest_s=round(slowest, 3),
        growth_mb=round(peak_mb() - before, 1),
    )
