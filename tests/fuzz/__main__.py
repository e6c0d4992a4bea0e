"""python -m tests.fuzz [--files 10000] [--formats pictures,manifests]

Changes small files of each format at random, and has them read as the server reads them; those of weights as
the exporter does. Ends with 1 where anything but an answer, a refusal or a limit came of one.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from embedded.part import python_of
from perf.report import machine, table
from tests.fuzz.run import FuzzReport, fuzz
from tests.fuzz.server_targets import server_targets

ROOT = Path(__file__).parents[2]
FORMATS = ("json", "prompts", "pictures", "marks", "manifests", "safetensors")
MAX_GROWTH_MB, MAX_ANSWER_S = 50, 2.0  # what is aimed at


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="of each format (default: 10000)")
    parser.add_argument("--formats", default=",".join(FORMATS), help="comma-separated (default: all)")
    given = parser.parse_args()
    formats = given.formats.split(",")
    where = machine()
    with server_targets() as targets:
        reports = {target.name: fuzz(target, given.files) for target in targets if target.name in formats}
    if "safetensors" in formats:
        reports["safetensors"] = _in_the_exporters_environment(given.files)
    show(reports)
    figures = {
        "files": sum(report.files for report in reports.values()),
        "found": sum(report.found for report in reports.values()),
        "growth_mb": max(report.growth_mb for report in reports.values()),
        "slowest_s": max(report.slowest_s for report in reports.values()),
        "aims": {"growth_mb": MAX_GROWTH_MB, "slowest_s": MAX_ANSWER_S},
        "formats": {name: json.loads(report.as_json()) for name, report in reports.items()},
        "machine": where,
    }
    print(json.dumps(figures))
    return 1 if figures["found"] else 0


def show(reports: dict[str, FuzzReport]) -> None:
    kinds = sorted({kind for report in reports.values() for kind in report.outcomes})
    table(
        "small files, changed at random; growth of the process that handed them on",
        ("format", "files", *kinds, "slowest s", "growth MiB"),
        [
            (
                name,
                report.files,
                *(report.outcomes.get(kind, 0) for kind in kinds),
                report.slowest_s,
                report.growth_mb,
            )
            for name, report in reports.items()
        ],
    )
    for report in reports.values():
        for finding in report.findings:
            print(finding)


def _in_the_exporters_environment(files: int) -> FuzzReport:
    command = [python_of("export"), "-m", "tests.fuzz.safetensors_target", str(files)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return FuzzReport(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
