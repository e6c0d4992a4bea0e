"""What every benchmark ends with: a table for people, one JSON object for programs, and a file of it."""

import argparse
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")


def machine() -> dict[str, Any]:
    """Where and when figures were taken. `load`: average of the minute before, 0 on a quiet machine."""
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text()),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def cpu_model(cpuinfo: str) -> str:
    """From the text of /proc/cpuinfo; "unknown" where it names none."""
    names = [line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name")]
    return names[0] if names else "unknown"


def median(values: Sequence[float], digits: int = 3) -> float:
    return round(statistics.median(values), digits)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints; the first column is text, the others are figures."""
    shown = Table(caption=title, caption_justify="left")
    for column in columns:
        shown.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        shown.add_row(*(format_cell(cell) for cell in row))
    Console(width=110).print(shown)


def format_cell(cell: object) -> str:
    """A figure as `table` prints it."""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"


def read_options(
    parser: argparse.ArgumentParser, smoke: Mapping[str, object], arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Every benchmark has `--smoke`: the values of `smoke`, but for options that are given beside it."""
    parser.add_argument(
        "--smoke", action="store_true", help="tiny, in seconds, to see that it runs; nothing is kept"
    )
    if parser.parse_args(arguments).smoke:
        parser.set_defaults(**smoke)
    return parser.parse_args(arguments)


def leave_out(contender: str, missing: str) -> str:
    """Says so; returns the name, for `left_out` among the figures."""
    print(f"{contender} is left out: {missing} is not there", file=sys.stderr)
    return contender


def publish(
    name: str,
    figures: Mapping[str, Any],
    where: Mapping[str, Any],
    results: Path = RESULTS,
    *,
    smoke: bool = False,
) -> None:
    """The last line of the output, and `results/NAME.json`; a smoke run's figures mean nothing: no file."""
    whole = {**figures, "machine": where}
    if smoke:
        print(orjson.dumps({**whole, "smoke": True}).decode(), flush=True)
        return
    beside = results / f"{name}.json.tmp"
    results.mkdir(parents=True, exist_ok=True)
    beside.write_bytes(orjson.dumps(whole, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    beside.rename(results / f"{name}.json")
    print(orjson.dumps(whole).decode(), flush=True)
