"""Every `make bench-…` runs at tiny size: its contenders agree, and its table and last line say the same.

Nothing is timed. The commands are those of perf/bench.mk; a new benchmark is run here without being named.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from embedded.part import python_of
from perf.report import format_cell

ROOT = Path(__file__).parents[2]
MAKE = (ROOT / "perf" / "bench.mk").read_text()
NAMES = sorted(re.findall(r"^(bench-[a-z-]+):.*\n\t", MAKE, re.MULTILINE))
QUICK = ("bench-cache-quality", "bench-verify")
# What is left out where the environment (.venv/parts/NAME) is absent. `make test` installs all but the last.
MAY_LACK = {
    "bench-api": ("bench", ["fastapi status"]),
    "bench-cache": ("bench-cache", ["faiss", "usearch"]),
    "bench-peers": ("peers/diffusers", ["diffusers-fp32"]),
    "bench-watermark": ("bench-watermark", ["dwtDctSvd", "rivaGan", "clawid"]),
}
PATIENCE_S = 600


def command(name: str) -> str:
    """The last line of the target's recipe, as make runs it with BENCH=--smoke."""
    recipe = re.search(rf"^{name}:.*\n((?:\t.*\n)+)", MAKE, re.MULTILINE)
    assert recipe, name
    line = recipe[1].replace("\\\n", " ").strip().splitlines()[-1].strip().replace("$(BENCH)", "--smoke")
    assert "--smoke" in line and "$" not in line, f"{name} does not take $(BENCH) alone: {line}"
    return line


def run(line: str) -> tuple[str, dict[str, Any]]:
    """What was printed before the last line, and the last line."""
    done = subprocess.run(
        ["bash", "-c", line], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    *before, last = done.stdout.strip().splitlines()
    return "\n".join(before), orjson.loads(last)


def cells(printed: str) -> Iterator[str]:
    """The numbers in the tables' columns; of a share, such as 8/13 62 % (36–82), what it comes to."""
    for line in printed.splitlines():
        for cell in map(str.strip, line.split("│")[2:-1]):
            if share := re.match(r"(\d+)/(\d+) ", cell):
                yield format_cell(round(int(share[1]) / int(share[2]), 4))
            elif re.fullmatch(r"-?[\d,.]+(e-?\d+)?", cell):
                yield cell


def leaves(figures: Any) -> Iterator[Any]:
    if isinstance(figures, dict):
        for value in figures.values():
            yield from leaves(value)
    elif isinstance(figures, list):
        for value in figures:
            yield from leaves(value)
    else:
        yield figures


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in NAMES]
)
def test_benchmark_runs_and_its_table_and_last_line_say_the_same(name: str) -> None:
    line = command(name)
    python = next(word for word in line.split() if word.endswith("bin/python"))
    printed, figures = run(line if (ROOT / python).exists() else line.replace(python, sys.executable))
    assert figures["smoke"] is True and figures["machine"]["cores"] > 0
    part, contenders = MAY_LACK.get(name, ("", []))
    assert figures.get("left_out", []) == ([] if Path(python_of(part)).exists() else contenders)
    told = list(cells(printed))
    assert told, f"no table: {printed}"
    known = {format_cell(leaf) for leaf in leaves(figures)} | {
        format_cell(leaf * 1000)
        for leaf in leaves(figures)
        if isinstance(leaf, float)  # s and ms
    }
    assert [cell for cell in told if cell not in known] == []


def test_absent_rivals_are_named_and_our_side_runs_without_them() -> None:
    _, figures = run(f"{sys.executable} -m perf.bench_cache --smoke --hits 0")
    assert figures["left_out"] == ["faiss", "usearch"]
    assert set(figures["sizes"]["1000"]) == {"exact", "ours"}
