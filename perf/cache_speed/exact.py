"""Exact search by numpy: what is right, and how long it takes."""

import time
from typing import Any

import numpy as np

from perf.cache_speed.stopwatch import NEIGHBOURS, ahead, lookups
from perf.cache_speed.vectors import Vectors

AT_ONCE = 50  # queries
PIECE = 131_072  # entries
PASSES = 3
FEWEST = 20


def truth(entries: Vectors, queries: Vectors) -> Vectors:
    """[len(queries), NEIGHBOURS] similarities of the best."""
    best = np.full((len(queries), NEIGHBOURS), -2, np.float32)
    for start in range(0, len(entries), PIECE):
        piece = np.asarray(entries[start : start + PIECE])
        for at in range(0, len(queries), AT_ONCE):
            similarities = np.concatenate(
                (queries[at : at + AT_ONCE] @ piece.T, best[at : at + AT_ONCE]), axis=1
            )
            similarities.partition(similarities.shape[1] - NEIGHBOURS, axis=1)
            best[at : at + AT_ONCE] = similarities[:, -NEIGHBOURS:]
    return best


def measure(entries: Vectors, queries: Vectors, realtime: bool) -> dict[str, Any]:
    """One matrix product a lookup; and the floor: the time that merely reading the vectors takes."""
    matrix = np.array(entries)

    def lookup(query: Vectors) -> list[float]:
        similarities = matrix @ query
        best = similarities[np.argpartition(similarities, -NEIGHBOURS)[-NEIGHBOURS:]]
        return sorted(best.tolist(), reverse=True)

    some = queries[: max(FEWEST, min(len(queries), 20_000_000 // len(entries)))]
    with ahead(realtime):
        return lookups(lookup, some, None) | {"floor_ms": floor_ms(matrix)}


def floor_ms(matrix: Vectors) -> float:
    flat = matrix.reshape(-1)
    times = []
    for _ in range(PASSES):
        began = time.perf_counter()
        flat.max()
        times.append((time.perf_counter() - began) * 1000)
    return round(min(times), 4)
