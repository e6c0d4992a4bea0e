"""python -m tests.campaign [--jobs 1000] [--seeds 1,2,3,4]: nothing lost, drawn twice, shown unreviewed."""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

from perf.report import machine, table
from tests.campaign.run import Outcome, campaign


def main() -> None:
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, help="of all seeds together")
    parser.add_argument("--seeds", default="1,2,3,4", help="of faults; even ones: pictures in a bucket")
    parser.add_argument("--keep", type=Path, help="a folder for what the parts leave, logs above all")
    options = parser.parse_args()
    seeds, outcomes, where = [int(word) for word in options.seeds.split(",")], list[Outcome](), machine()
    for seed in seeds:
        with contextlib.ExitStack() as stack:
            if options.keep:
                (folder := options.keep / str(seed)).mkdir(parents=True)
            else:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-")))
            outcomes.append(asyncio.run(campaign(folder, options.jobs // len(seeds), seed, _tell)))
        for left_out in outcomes[-1].left_out:
            _tell(f"left out: {left_out}")
        for problem in outcomes[-1].findings.problems:
            _tell(f"seed {seed}: {problem}")
    show(outcomes)
    print(json.dumps({**figures(outcomes), "machine": where}), flush=True)
    sys.exit(not all(outcome.findings.good for outcome in outcomes))


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def show(outcomes: list[Outcome]) -> None:
    names = [f"seed {each.seed}, {each.store}" for each in outcomes]
    kinds = sorted(set[str]().union(*(each.faults for each in outcomes)))
    table("Faults", ["", *names], [[kind, *(each.faults[kind] for each in outcomes)] for kind in kinds])
    rows: dict[str, list[object]] = {
        "jobs": [each.findings.accepted for each in outcomes],
        "how they ended": [_in_words(each.ends) for each in outcomes],
        "faults": [each.faults.total() for each in outcomes],
        "lost": [len(each.findings.lost) for each in outcomes],
        "twice": [len(each.findings.twice) for each in outcomes],
        "unreviewed released": [len(each.findings.unreviewed) for each in outcomes],
        "usage": ["; ".join(each.findings.usage) or "exact" for each in outcomes],
        "audit log": ["; ".join(each.findings.audit) or "whole" for each in outcomes],
        "left of unfinished jobs": ["; ".join(each.findings.left) or "nothing" for each in outcomes],
    }
    table(
        "What an independent reader of Redis, the object store and the audit log found",
        ["", *names],
        [[row, *cells] for row, cells in rows.items()],
    )


def _in_words(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))


def figures(outcomes: list[Outcome]) -> dict[str, object]:
    found = [each.findings for each in outcomes]
    return {
        "seeds": [each.seed for each in outcomes],
        "jobs": sum(each.accepted for each in found),
        "ends": sum((each.ends for each in outcomes), Counter[str]()),
        "faults": sum((each.faults for each in outcomes), Counter[str]()),
        "lost": sum(len(each.lost) for each in found),
        "twice": sum(len(each.twice) for each in found),
        "unreviewed": sum(len(each.unreviewed) for each in found),
        "usage_differences": sum(len(each.usage) for each in found),
        "audit_breaks": sum(len(each.audit) for each in found),
        "left": sum(len(each.left) for each in found),
        "left_out": sorted({reason for each in outcomes for reason in each.left_out}),
    }


if __name__ == "__main__":
    main()
