"""The index that the server has, filled, searched, searched while it is filled, written and read."""

import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.item import Item
from frontend.cache.index.limits import Limits
from perf.cache_speed.stopwatch import NEIGHBOURS, ahead, lookups, own_memory, timed
from perf.cache_speed.vectors import DIMENSION, Vectors

PARTITION = ("eros", "anime", "aya")
PAYLOAD = 500  # bytes
BATCH = 500
STEADY_PER_S = 100  # pictures a second: some hundred GPUs


def items(entries: Vectors, first: int = 0, batch: int = BATCH) -> Iterator[list[Item]]:
    for start in range(0, len(entries), batch):
        vectors = np.array(entries[start : start + batch])
        yield [item(first + start + number, vector) for number, vector in enumerate(vectors)]


def item(number: int, vector: Vectors) -> Item:
    name = hashlib.blake2b(number.to_bytes(8, "little"), digest_size=16).hexdigest()
    return Item(name, PARTITION, number, vector, name.encode() * (PAYLOAD // 32))


def measure(
    limits: Limits,
    entries: Vectors,
    queries: Vectors,
    truth: Vectors,
    folder: Path,
    realtime: bool,
    inserting_s: float,
) -> dict[str, Any]:
    before = own_memory()
    index, build_s = _filled(limits, entries, folder)
    memory = own_memory() - before
    accounted = sum(part.memory for part in index.statistics())
    written = timed(lambda: snapshot.write(folder, index, b"position")) if build_s else None
    with ahead(realtime):
        alone = lookups(lambda query: lookup(index, query), queries, truth)
        steady = while_inserting(index, queries, STEADY_PER_S, len(entries), inserting_s)
        flooded = while_inserting(index, queries, None, 2 * len(entries), inserting_s)
    return {
        "build_s": build_s,
        "bytes_per_entry": round(memory / len(entries)),
        "accounted_per_entry": round(accounted / len(entries)),
        "payload_bytes": PAYLOAD // 32 * 32,
        **alone,
        "steady": steady,
        "flooded": flooded,
        "write_s": written,
        "whole_searches": index.state.whole_searches,
    }


def _filled(limits: Limits, entries: Vectors, folder: Path) -> tuple[CacheIndex, float | None]:
    """And the seconds that it took; None: it was there already, from a run before."""
    if kept := snapshot.read(folder, DIMENSION, limits):
        return kept.index, None
    index = CacheIndex(DIMENSION, limits)

    def build() -> None:
        for batch in items(entries):
            index.add(batch)

    return index, timed(build)


def start(limits: Limits, queries: Vectors, truth: Vectors, folder: Path) -> dict[str, Any]:
    """As a process that starts: nothing but the snapshot."""
    began = time.perf_counter()
    read = snapshot.read(folder, DIMENSION, limits)
    assert read is not None
    startup_s = round(time.perf_counter() - began, 2)
    again = lookups(lambda query: lookup(read.index, query), queries, truth)
    return {"startup_s": startup_s, "recall10_after_start": again["recall10"]}


def lookup(index: CacheIndex, query: Vectors) -> list[float]:
    return [match.similarity for match in index.search(PARTITION, query, NEIGHBOURS)]


def while_inserting(
    index: CacheIndex, queries: Vectors, per_s: int | None, first: int, seconds: float
) -> dict[str, Any]:
    """Lookups here, new pictures in another thread: one at a time at a pace, or in batches, no pause."""
    over, inserted = threading.Event(), [0]
    new = np.roll(queries, 1, axis=1)

    def insert() -> None:
        number, size = first, 1 if per_s else BATCH
        while not over.wait(1 / per_s if per_s else 0):
            for batch in items(new[(number - first) % len(new) :][:size], number, size):
                index.add(batch)
                number += len(batch)
                inserted[0] += len(batch)

    thread = threading.Thread(target=insert)
    began = time.perf_counter()
    thread.start()
    figures = lookups(lambda query: lookup(index, query), endless(queries, began + seconds), None)
    over.set()
    thread.join()
    return figures | {"inserts_per_s": round(inserted[0] / (time.perf_counter() - began), 1)}


def endless(queries: Vectors, until: float) -> Iterator[Vectors]:
    while True:
        for query in queries:
            if time.perf_counter() > until:
                return
            yield query
