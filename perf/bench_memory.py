"""Memory of every process after 5 pictures and after 50: python -m perf.bench_memory [--early 5] [--late 50]

Pictures are 1344x768 JPEGs, every other one with a character, two at a time, each polled to its end.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.progress import Progress

from perf.processes import descendants, proportional_mib, title
from perf.report import machine, publish, read_options, table
from perf.system import BenchError, System, system_up

PROMPTS = ("@aya reading a book under a tree", "a red car on the beach", "@bella in the park", "a blue house")
AT_A_TIME = 2
SMOKE = {"early": 2, "late": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--early", type=int, default=5)
    parser.add_argument("--late", type=int, default=50)
    given = read_options(parser, SMOKE)
    where = machine()
    early, late = _measured(given.early, given.late)
    figures = summarise(early, late)
    rows = [
        (name, *(figures[each][name] for each in ("early_mib", "late_mib", "growth")))
        for name in figures["growth"]
    ]
    table(
        "Proportional memory (PSS)",
        ("process", f"MiB after {given.early}", f"after {given.late}", "ratio"),
        rows,
    )
    publish("memory", figures, where, smoke=given.smoke)


def _measured(early: int, late: int) -> tuple[dict[str, float], dict[str, float]]:
    try:
        return asyncio.run(measure(early, late))
    except BenchError as error:
        sys.exit(f"bench-memory: {error}")


async def measure(early: int, late: int) -> tuple[dict[str, float], dict[str, float]]:
    with tempfile.TemporaryDirectory() as name, Progress(transient=True) as progress:
        bar = progress.add_task("pictures", total=late)
        async with system_up(Path(name), {}) as system:
            first: dict[str, float] = {}
            for done in range(0, late, AT_A_TIME):
                await asyncio.gather(*(system.draw(prompt(done + n)) for n in range(AT_A_TIME)))
                progress.update(bar, advance=AT_A_TIME)
                if not first and done + AT_A_TIME >= early:
                    first = memory(system)
            return first, memory(system)


def prompt(number: int) -> str:
    return PROMPTS[number % len(PROMPTS)]


def memory(system: System) -> dict[str, float]:
    """MiB by process, named by what it runs."""
    found: dict[str, float] = {}
    for pid in sorted({system.pid} | descendants(system.pid)):
        found[unique(title(pid), found)] = proportional_mib(pid)
    return found


def unique(name: str, taken: dict[str, float]) -> str:
    return name if name not in taken else f"{name} ({sum(other.startswith(name) for other in taken) + 1})"


def summarise(early: dict[str, float], late: dict[str, float]) -> dict[str, Any]:
    """Ratios for the processes that were there both times, and for all of them together."""
    growth = {name: round(late[name] / early[name], 3) for name in late if name in early}
    total = sum(late[name] for name in growth) / sum(early[name] for name in growth)
    return {
        "largest_growth": max(growth.values()),
        "total_growth": round(total, 3),
        "growth": growth,
        "early_mib": {name: round(early[name], 1) for name in growth},
        "late_mib": {name: round(late[name], 1) for name in growth},
    }


if __name__ == "__main__":
    main()
