"""Other stores: the graphs that users pick, with the same links and widths as ours. They have no payloads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from usearch.index import Index as Usearch

from frontend.cache.index.limits import Limits
from perf.cache_speed.stopwatch import NEIGHBOURS, Lookup, ahead, lookups, own_memory, timed
from perf.cache_speed.vectors import DIMENSION, Vectors

BATCH = 10_000


class Faiss:
    """HNSWFlat. Its M counts as ours does: twice as many links at the bottom."""

    def __init__(self, limits: Limits) -> None:
        faiss.omp_set_num_threads(1)
        self._width = limits.search_width
        self._index = faiss.IndexHNSWFlat(DIMENSION, limits.links, faiss.METRIC_INNER_PRODUCT)
        self._index.hnsw.efConstruction = limits.build_width
        self._index.hnsw.efSearch = limits.search_width

    def add(self, first: int, vectors: Vectors) -> None:
        self._index.add(vectors)

    def lookup(self, query: Vectors) -> list[float]:
        similarities: list[float] = self._index.search(query[None], NEIGHBOURS)[0][0].tolist()
        return similarities

    def save(self, path: Path) -> None:
        faiss.write_index(self._index, str(path))

    def load(self, path: Path) -> None:
        self._index = faiss.read_index(str(path))
        self._index.hnsw.efSearch = self._width


class UsearchGraph:
    def __init__(self, limits: Limits) -> None:
        self._index = Usearch(
            ndim=DIMENSION,
            metric="ip",
            dtype="f32",
            connectivity=limits.links,
            expansion_add=limits.build_width,
            expansion_search=limits.search_width,
        )

    def add(self, first: int, vectors: Vectors) -> None:
        self._index.add(np.arange(first, first + len(vectors)), vectors, threads=1)

    def lookup(self, query: Vectors) -> list[float]:
        similarities: list[float] = (1 - self._index.search(query, NEIGHBOURS, threads=1).distances).tolist()
        return similarities

    def save(self, path: Path) -> None:
        self._index.save(str(path))

    def load(self, path: Path) -> None:
        self._index.load(str(path))


RIVALS: dict[str, Callable[[Limits], Faiss | UsearchGraph]] = {"faiss": Faiss, "usearch": UsearchGraph}


def measure(
    name: str,
    store: Faiss | UsearchGraph,
    entries: Vectors,
    queries: Vectors,
    truth: Vectors,
    folder: Path,
    realtime: bool,
) -> dict[str, Any]:
    before = own_memory()

    def build() -> None:
        for start in range(0, len(entries), BATCH):
            store.add(start, np.array(entries[start : start + BATCH]))

    build_s = timed(build)
    memory = own_memory() - before
    lookup: Lookup = store.lookup
    path = folder / f"{name}.index"
    with ahead(realtime):
        found = lookups(lookup, queries, truth)
    return {
        "build_s": build_s,
        "bytes_per_entry": round(memory / len(entries)),
        **found,
        "write_s": timed(lambda: store.save(path)),
        "startup_s": timed(lambda: store.load(path)),
    }
