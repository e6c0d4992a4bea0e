"""python -m perf.cache_quality [--encoder FOLDER] [--show]

How often the cache serves a picture to those who should get it and to those who must not: by the floor alone,
and by the floor and the rules. Each half of the pairs by itself; no rule was tuned on the held-out half, and
its pairs are not shown, so that none will be.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perf.cache_quality.encoder import Encode, from_folder
from perf.cache_quality.judge import ARMS, Judged, judge, shares
from perf.cache_quality.pairs import HALVES, HITS, MISSES, load
from perf.cache_quality.share import Share
from perf.report import machine, publish, read_options, table

ENCODER = Path(__file__).parents[2] / "model_repository" / "prompt-encoder"
FLOORS = tuple(round(0.90 + step / 100, 2) for step in range(10))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", type=Path, default=ENCODER, help="a Triton model folder")
    parser.add_argument("--show", action="store_true", help="list development pairs that go wrong")
    parser.add_argument(
        "--show-held-out", action="store_true", help="list held-out ones too: tune no rule on them"
    )
    parser.add_argument("--every", type=int, default=1, help="take one in so many pairs (default: all)")
    given = read_options(parser, {"every": 10})
    if not (given.encoder / "1" / "model.onnx").exists():
        sys.exit(f"no encoder at {given.encoder}: name its folder, --encoder FOLDER")
    where = machine()
    halves = measured(HALVES, from_folder(given.encoder), given.every)
    for name, judged in halves.items():
        report(name, judged)
        if given.show_held_out or (given.show and name == "development"):
            show(judged)
    publish("cache-quality", figures(halves), where, smoke=given.smoke)


def measured(halves: Mapping[str, Path], encode: Encode, every: int = 1) -> dict[str, list[Judged]]:
    """Without the halves that are not there."""
    return {name: judge(load(path)[::every], encode) for name, path in halves.items() if path.exists()}


def report(name: str, judged: Sequence[Judged]) -> None:
    rows: list[tuple[object, ...]] = [
        ("hits, of pairs that should", *(shares(judged, arm)[0] for arm in ARMS)),
        *((f"  {kind}", *by_kind(judged, kind)) for kind in HITS),
        ("false hits, of pairs that must not", *(shares(judged, arm)[1] for arm in ARMS)),
        *((f"  {kind}", *by_kind(judged, kind)) for kind in MISSES),
    ]
    table(f"{name} half, {len(judged)} pairs; 95 % Wilson intervals", ("", *ARMS), rows)
    swept = [
        (f"{floor:.2f}", *shares(judged, ARMS[1], floor), *shares(judged, ARMS[2], floor)) for floor in FLOORS
    ]
    columns = ("floor", "hits", "false hits", "hits with rules", "false hits with rules")
    table(f"{name} half: other floors, normal form", columns, swept)


def by_kind(judged: Sequence[Judged], kind: str) -> list[Share]:
    return [Share.count(each.record_served(arm) for each in judged if each.pair.kind == kind) for arm in ARMS]


def show(judged: Sequence[Judged]) -> None:
    for each in judged:
        if not each.right(ARMS[2]):
            said = f"{each.normal:.3f}, {each.rule or 'no rule'}"
            print(f"{each.pair.kind} ({said}): {each.pair.asked} | {each.pair.made}")


def figures(halves: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """Shares; null for a half that is not there."""
    found: dict[str, Any] = {}
    for name in HALVES:
        judged = halves.get(name, ())
        hits, false_hits = shares(judged, ARMS[2])
        found[f"{name}_hits"], found[f"{name}_false_hits"] = hits.value, false_hits.value
        if judged:
            found[name] = {
                "pairs": len(judged),
                "arms": {arm: _arm(judged, arm) for arm in ARMS},
                "floors": _floors(judged),
            }
    return found


def _arm(judged: Sequence[Judged], arm: str) -> dict[str, Any]:
    hits, false_hits = shares(judged, arm)
    return {
        "hits": hits.value,
        "hits_interval": hits.interval,
        "false_hits": false_hits.value,
        "false_hits_interval": false_hits.interval,
        "by_kind": {kind: by_kind(judged, kind)[ARMS.index(arm)].value for kind in (*HITS, *MISSES)},
    }


def _floors(judged: Sequence[Judged]) -> dict[str, list[float | None]]:
    """By floor: hits and false hits of the floor alone, then with rules."""
    return {
        f"{floor:.2f}": [share.value for arm in ARMS[1:] for share in shares(judged, arm, floor)]
        for floor in FLOORS
    }


if __name__ == "__main__":
    main()
