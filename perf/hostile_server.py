"""`imgen serve` whose event loop is watched: python -m perf.hostile_server FILE

Twice a second a line goes to FILE: the time (as of time.monotonic), by how many ms the loop came late since
the line before, without what it waited for a processor, and the processor time of its longest turn.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import IO

import uvloop

from frontend.common.supervised import in_background
from frontend.serve import allow_connections, run_server
from frontend.settings import Settings, load
from perf.loop_watch import TICK_S, watched

EVERY_S = 0.5


async def serve_watched(settings: Settings, file: IO[str]) -> None:
    async with in_background(write_lateness(file)):
        await run_server(settings)


async def write_lateness(file: IO[str]) -> None:
    while True:
        longest, late = await watched(longest_turn_ms(EVERY_S))
        file.write(f"{time.monotonic():.3f} {max(late.held):.2f} {longest:.2f}\n")
        file.flush()


async def longest_turn_ms(seconds: float) -> float:
    """Processor time of this thread between two looks at it, which come with every turn of the loop."""
    until, longest, before = time.monotonic() + seconds, 0.0, time.thread_time()
    while time.monotonic() < until:
        await asyncio.sleep(TICK_S)
        now = time.thread_time()
        longest, before = max(longest, now - before), now
    return longest * 1000


def main() -> None:
    settings = load()
    allow_connections(settings.max_connections)
    with Path(sys.argv[1]).open("w") as file:
        uvloop.run(serve_watched(settings, file))


if __name__ == "__main__":
    main()
