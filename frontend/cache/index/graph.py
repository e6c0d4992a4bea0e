"""HNSW, by hnswlib: approximate search among many vectors."""

from collections.abc import Sequence
from pathlib import Path

import hnswlib
import numpy as np
import numpy.typing as npt

from frontend.cache.index.item import Vector
from frontend.cache.index.limits import Limits

GROWTH = 1.5
FIRST_ROOM = 1024
Nodes = npt.NDArray[np.int64]


class Graph:
    """Nodes are numbers that the caller chooses. Searches may run side by side, but beside no change.

    Malkov and Yashunin 2018. hnswlib's own reuse of deleted nodes is not used: it is slower than adding and
    cuts nodes off from the rest. A partition that has lost many is made anew instead.
    """

    def __init__(self, dimension: int, limits: Limits, room: int = FIRST_ROOM) -> None:
        self.dimension = dimension
        self.marked = 0  # nodes that no search returns
        self._links = limits.links
        self._index = hnswlib.Index("ip", dimension)  # 1 - inner product; vectors have unit length
        self._index.init_index(room, M=limits.links, ef_construction=limits.build_width)
        self._index.set_ef(limits.search_width)

    def __len__(self) -> int:
        """With those that are marked."""
        return int(self._index.get_current_count())

    @property
    def findable(self) -> int:
        return len(self) - self.marked

    @property
    def memory(self) -> int:
        """Bytes, about: vector, links below, label; the levels above; its lock, place and visited mark."""
        return len(self) * (self.dimension * 4 + self._links * 8 + 12 + self._links // 2 + 110)

    def add(self, vectors: Vector, nodes: Nodes, threads: int = 1) -> None:
        """vectors [n, dimension], nodes [n] that are not in the graph."""
        wanted = len(self) + len(nodes)
        if wanted > self._index.get_max_elements():
            self._index.resize_index(max(wanted, int(self._index.get_max_elements() * GROWTH)))
        self._index.add_items(vectors, nodes, num_threads=threads)

    def mark(self, node: int) -> None:
        """No search returns it any more, but searches still find their way through it."""
        self._index.mark_deleted(node)
        self.marked += 1

    def nearest(self, vector: Vector, count: int) -> tuple[Nodes, Vector] | None:
        """Nodes and similarities of `count`, best first. None: fewer were reached from the entry point.

        count: at most `findable`
        """
        try:
            nodes, distances = self._index.knn_query(vector, k=count, num_threads=1)
        except RuntimeError:  # hnswlib's way to say so
            return None
        return nodes[0], 1 - distances[0]

    def vectors(self, nodes: Sequence[int] | Nodes) -> Vector:
        """[n, dimension], copied."""
        return np.asarray(self._index.get_items(nodes, return_type="numpy"), np.float32)

    def save(self, path: Path) -> None:
        self._index.save_index(str(path))

    @classmethod
    def load(cls, path: Path, dimension: int, limits: Limits) -> "Graph":
        """Only of a file that is known to be whole. Raises RuntimeError where hnswlib finds a fault."""
        graph = cls(dimension, limits, 1)
        graph._index = hnswlib.Index("ip", dimension)
        graph._index.load_index(str(path))
        graph._index.set_ef(limits.search_width)
        graph._links = int(graph._index.M)
        return graph

    def mark_all(self, nodes: Nodes) -> None:
        """After `load`: those of them that are not marked yet, and they are then all that are marked."""
        for node in nodes.tolist():
            try:
                self._index.mark_deleted(node)
            except RuntimeError:
                continue  # marked in the file
        self.marked = len(nodes)
