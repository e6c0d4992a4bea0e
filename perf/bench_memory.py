"""Memory of every process when there is nothing to do, during a picture and while a character loads, and
whether it grows: python -m perf.bench_memory [--early 5] [--late 50]

Pictures are 1344x768 JPEGs. To see growth: every other one with a character, two at a time.
"""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from rich.progress import Progress

from perf.processes import descendants, proportional_mib, title
from perf.report import machine, publish, read_options, table
from perf.system import BenchError, System, system_up

PROMPTS = ("@aya reading a book under a tree", "a red car on the beach", "@bella in the park", "a blue house")
AT_A_TIME = 2
SAMPLE_S = 0.02  # between two looks, each of which takes as long
SMOKE = {"early": 2, "late": 4, "rest": 0.0}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--early", type=int, default=5)
    parser.add_argument("--late", type=int, default=50)
    parser.add_argument("--rest", type=float, default=25.0, help="seconds without work before the last look")
    given = read_options(parser, SMOKE)
    where = machine()
    phases = _measured(given.early, given.late, given.rest)
    early, late = phases.pop("early"), phases.pop("late")
    figures = summarise(early, late) | summarise_phases(phases)
    rows = [
        (name, *(figures[each][name] for each in ("early_mib", "late_mib", "growth")))
        for name in figures["growth"]
    ]
    table(
        "Proportional memory (PSS)",
        ("process", f"MiB after {given.early}", f"after {given.late}", "ratio"),
        rows,
    )
    table("The same", ("phase", "MiB in all", "of it the largest process"), _rows(figures))
    publish("memory", figures, where, smoke=given.smoke)


def _measured(early: int, late: int, rest: float) -> dict[str, dict[str, float]]:
    try:
        return asyncio.run(measure(early, late, rest))
    except BenchError as error:
        sys.exit(f"bench-memory: {error}")


async def measure(early: int, late: int, rest: float) -> dict[str, dict[str, float]]:
    """MiB by phase and process: ready, picture and loading (each at its highest), early, late, rest."""
    with tempfile.TemporaryDirectory() as name, Progress(transient=True) as progress:
        bar = progress.add_task("pictures", total=late)
        async with system_up(Path(name), {}) as system:
            found = {"ready": memory(system)}
            for phase, number in (("picture", 1), ("loading", 0)):
                async with _highest(system) as highest:
                    await system.draw(prompt(number), use_cache=False)
                found[phase] = highest
            for done in range(0, late, AT_A_TIME):
                await asyncio.gather(*(system.draw(prompt(done + n)) for n in range(AT_A_TIME)))
                progress.update(bar, advance=AT_A_TIME)
                if "early" not in found and done + AT_A_TIME >= early:
                    found["early"] = memory(system)
            found["late"] = memory(system)
            await asyncio.sleep(rest)
            return found | {"rest": memory(system)}


@contextlib.asynccontextmanager
async def _highest(system: System) -> AsyncIterator[dict[str, float]]:
    """All processes at the moment when they had the most together; whole when the block has ended."""
    highest: dict[str, float] = {}

    async def watch() -> None:
        while True:
            now = await asyncio.to_thread(memory, system)
            if sum(now.values()) > sum(highest.values()):
                highest.clear()
                highest.update(now)
            await asyncio.sleep(SAMPLE_S)

    watching = asyncio.create_task(watch())
    try:
        yield highest
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def prompt(number: int) -> str:
    return PROMPTS[number % len(PROMPTS)]


def memory(system: System) -> dict[str, float]:
    """MiB by process, named by what it runs."""
    found: dict[str, float] = {}
    for pid in sorted({system.pid} | descendants(system.pid)):
        with contextlib.suppress(OSError, IndexError):  # ended meanwhile
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


def summarise_phases(phases: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    rounded = {phase: {name: round(mib, 1) for name, mib in found.items()} for phase, found in phases.items()}
    return {"whole_mib": {phase: round(sum(found.values())) for phase, found in phases.items()}} | {
        f"{phase}_mib": found for phase, found in rounded.items()
    }


def _rows(figures: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    return [
        (phase, whole, max(figures[f"{phase}_mib"].values())) for phase, whole in figures["whole_mib"].items()
    ]


if __name__ == "__main__":
    main()
