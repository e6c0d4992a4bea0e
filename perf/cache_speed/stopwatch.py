"""Times of lookups, one after another on one thread."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from perf.cache_speed.vectors import Vectors

NEIGHBOURS = 10
SLACK = 1e-5  # libraries add in different orders

Lookup = Callable[[Vectors], Sequence[float]]  # a query → similarities, best first


def lookups(lookup: Lookup, queries: Iterable[Vectors], truth: Vectors | None) -> dict[str, Any]:
    """ms, and the share of the NEIGHBOURS best that was found. truth: [n, NEIGHBOURS] similarities.

    An answer is one of the best where it is as similar as the last of these: equal vectors are equally good.
    """
    times, found = [], 0
    for number, query in enumerate(queries):
        began = time.perf_counter()
        similarities = lookup(query)
        times.append((time.perf_counter() - began) * 1000)
        if truth is not None:
            found += sum(
                similarity >= truth[number].min() - SLACK for similarity in similarities[:NEIGHBOURS]
            )
    figures = {"p50_ms": quantile(times, 0.5), "p99_ms": quantile(times, 0.99)}
    return figures if truth is None else figures | {"recall10": round(int(found) / truth.size, 4)}


@contextmanager
def ahead(realtime: bool) -> Iterator[None]:
    """This thread and those that it starts go before all others on the machine, but for 1/20 of the time."""
    if realtime:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        if realtime:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def quantile(times: Sequence[float], share: float) -> float:
    return round(float(np.quantile(times, share)), 4)


def timed(work: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    work()
    return round(time.perf_counter() - began, 2)


def own_memory() -> int:
    """Bytes that this process has for itself, mapped files not counted."""
    with open("/proc/self/status") as status:
        (kibibytes,) = [line.split()[1] for line in status if line.startswith("RssAnon")]
    return int(kibibytes) * 1024
