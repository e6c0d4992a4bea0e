"""How long an event loop does not come round, and how much of that it waited for a processor."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from perf.stall_watch import Stalls

Result = TypeVar("Result")
TICK_S = 0.0005


@dataclass(frozen=True)
class Lateness:
    """Of each turn of the loop, in ms.

    `held` is `whole` without what it waited, ready to run, for a processor: Python's lock, and our own code.
    """

    whole: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)  # of the turns, by time.perf_counter

    def __add__(self, other: "Lateness") -> "Lateness":
        return Lateness(self.whole + other.whole, self.held + other.held, self.ends + other.ends)

    def without(self, stalls: Stalls) -> "Lateness":
        """Whoever has Python's lock keeps it while his processor stands still: no code's doing."""
        stood_s = [stalls.within(at - by / 1000, at) for by, at in zip(self.whole, self.ends, strict=True)]
        held = [max(0.0, one - 1000 * other) for one, other in zip(self.held, stood_s, strict=True)]
        return Lateness(self.whole, held, self.ends)

    def spread(self) -> list[float]:
        """Half, 99 of 100 and all of the turns are no later than this; then the same of `held`."""
        return [
            round(float(np.quantile(one, part)), 2)
            for one in (self.whole, self.held)
            for part in (0.5, 0.99, 1)
        ]


async def watched(work: Awaitable[Result]) -> tuple[Result, Lateness]:
    """The result, and by how much the loop came late while it was made. Linux alone tells `held`."""
    task = asyncio.ensure_future(work)
    schedule = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    late = Lateness()
    try:
        last, waited = time.perf_counter(), _waited_s(schedule)
        while not task.done():
            await asyncio.sleep(TICK_S)
            now, now_waited = time.perf_counter(), _waited_s(schedule)
            by = now - last - TICK_S
            late.whole.append(max(0.0, by) * 1000)
            late.held.append(max(0.0, by - (now_waited - waited)) * 1000)
            late.ends.append(now)
            last, waited = now, now_waited
    finally:
        os.close(schedule)
    return task.result(), late


def _waited_s(schedule: int) -> float:
    """Seconds that the thread was ready and had no processor: the second figure, in ns."""
    return int(os.pread(schedule, 64, 0).split()[1]) / 1e9
