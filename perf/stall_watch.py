"""When a processor stood still though nobody here had it: a host may take it away for milliseconds.

python -m perf.stall_watch CPU PRIORITY ticks on that processor until its input ends, then prints each stall.
"""

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

TICK_S = 0.002  # more often would take the processors from what is measured
STALL_S = 0.001


@dataclass(frozen=True)
class Stalls:
    """(start, end) by time.perf_counter, of any processor; filled when the watch ends."""

    spans: list[tuple[float, float]] = field(default_factory=list)

    def within(self, start: float, end: float) -> float:
        """Seconds of that time in which a processor stood still."""
        covered, until = 0.0, start
        for one, other in sorted(self.spans):
            if one < end and other > until:
                covered += min(other, end) - max(one, until)
                until = min(other, end)
        return covered


@contextlib.contextmanager
def stall_watch(priority: int = 0) -> Iterator[Stalls]:
    """On each processor that this process may use, at a real-time priority if one is given (root's)."""
    found = Stalls()
    with contextlib.ExitStack() as stack:
        watchers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "perf.stall_watch", str(cpu), str(priority)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for cpu in sorted(os.sched_getaffinity(0))
        ]
        try:
            yield found
        finally:
            for watcher in watchers:
                told, _ = watcher.communicate()
                found.spans.extend(
                    (float(one), float(other)) for one, other in map(str.split, told.splitlines())
                )


def watch(cpu: int, priority: int) -> list[tuple[float, float]]:
    """What was waited, ready to run, for the processor is no stall. Linux alone tells that."""
    os.sched_setaffinity(0, {cpu})
    if priority:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    stalls = []
    with open("/proc/self/schedstat", "rb", buffering=0) as schedule:
        last, waited = time.perf_counter(), _waited_s(schedule.fileno())
        while not select.select([sys.stdin], [], [], TICK_S)[0]:
            now, now_waited = time.perf_counter(), _waited_s(schedule.fileno())
            if now - last - TICK_S - (now_waited - waited) > STALL_S:
                stalls.append((last + TICK_S, now))
            last, waited = now, now_waited
    return stalls


def _waited_s(schedule: int) -> float:
    return int(os.pread(schedule, 64, 0).split()[1]) / 1e9


if __name__ == "__main__":
    for span in watch(int(sys.argv[1]), int(sys.argv[2])):
        print(*span)
