"""The search that looks at every vector of a partition: what a graph failed to answer."""

from collections.abc import Sequence

from frontend.cache.index.item import Match, Vector
from frontend.cache.index.partition import Partition
from frontend.cache.index.state import WALK, Key, State

Ranked = list[tuple[float, int]]  # similarity, order


def search_whole(state: State, key: Key, vector: Vector, count: int) -> list[Match]:
    """In pieces, so that nobody waits for it. Up to WALK of the best may die meanwhile."""
    best: Ranked = []
    order = 0
    while True:
        with state.lock.reading():
            partition = state.places.by_key.get(key)
            numbers = partition.after(order, WALK) if partition else []
            if partition is None:
                return []
            if not numbers:
                return _matches(partition, best)[:count]
            orders = partition.rows.orders.view[numbers].tolist()
            vectors = partition.vectors(numbers)
        best += zip((vectors @ vector).tolist(), orders, strict=True)
        best.sort(reverse=True)
        del best[count + WALK :]
        order = orders[-1]


def _matches(partition: Partition, best: Sequence[tuple[float, int]]) -> list[Match]:
    rows = [(similarity, partition.rows.find(order)) for similarity, order in best]
    return partition.matches([(similarity, row) for similarity, row in rows if row is not None])
