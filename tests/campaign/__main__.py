"""python -m tests.campaign [--jobs 1000] [--seeds 1,2,3]: nothing is lost, drawn twice, shown unreviewed."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from perf.report import table
from tests.campaign.run import Outcome, campaign


def main() -> None:
    parser = argparse.ArgumentParser(prog="campaign", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000, help="of all seeds together")
    parser.add_argument("--seeds", default="1,2,3", help="of faults")
    options = parser.parse_args()
    seeds, outcomes = [int(word) for word in options.seeds.split(",")], list[Outcome]()
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
            outcomes.append(asyncio.run(campaign(Path(folder), options.jobs // len(seeds), seed)))
            print(f"seed {seed}: {outcomes[-1].line}", file=sys.stderr)
    table(
        "What an independent reader of Redis, the object store and the audit log found",
        ["seed", "jobs", "faults", "lost", "twice", "unreviewed", "usage", "audit log"],
        [[str(seed), *outcome.row] for seed, outcome in zip(seeds, outcomes, strict=True)],
    )
    sys.exit(not all(outcome.findings.good for outcome in outcomes))


if __name__ == "__main__":
    main()
