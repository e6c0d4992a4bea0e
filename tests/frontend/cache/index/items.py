"""Items for tests, and what an index should do with them, in the plainest way."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from frontend.cache.index.index import CacheIndex
from frontend.cache.index.item import Item
from frontend.cache.index.limits import Limits

DIMENSION = 8
ANIME = ("eros", "anime", "aya")
PHOTO = ("eros", "photo", "")
# So small that twenty items already have a graph, a tail, deaths and rebuilds.
SMALL = Limits(
    exact_below=6, tail=3, capacity=40, partition_capacity=25, links=4, build_width=20, search_width=20
)


def vector(seed: int, dimension: int = DIMENSION) -> npt.NDArray[np.float32]:
    raw = np.random.default_rng(seed).standard_normal(dimension)
    return (raw / np.linalg.norm(raw)).astype(np.float32)


def item(number: int, partition: tuple[str, ...] = ANIME, seed: int | None = None) -> Item:
    return Item(
        name=f"picture-{number}",
        partition=partition,
        time_ms=1_000 + number,
        vector=vector(number if seed is None else seed),
        payload=f"payload of {number}".encode(),
    )


def items(numbers: Sequence[int], partition: tuple[str, ...] = ANIME) -> list[Item]:
    return [item(number, partition) for number in numbers]


def names(
    index: CacheIndex, partition: tuple[str, ...] = ANIME, seed: int = 0, count: int = 1_000
) -> set[str]:
    return {match.name for match in index.search(partition, vector(seed), count)}


def content(index: CacheIndex) -> list[tuple[tuple[str, ...], list[tuple[str, bytes]]]]:
    """All that is held, in log order."""
    state = index.state
    return [
        (key, [(row.name, row.payload) for rows in state.walk(key) for row in rows])
        for key in sorted(state.all_keys())
    ]


class Model:
    """A dictionary in log order."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.items: dict[str, Item] = {}

    def add(self, item: Item) -> None:
        self.items.pop(item.name, None)
        self.items[item.name] = replace(item)
        inside = [name for name, other in self.items.items() if other.partition == item.partition]
        if len(inside) > self.limits.partition_capacity:
            del self.items[inside[0]]
        if len(self.items) > self.limits.capacity:
            del self.items[next(iter(self.items))]

    def remove_where(self, gone: Callable[[Item], bool]) -> int:
        doomed = [name for name, item in self.items.items() if gone(item)]
        for name in doomed:
            del self.items[name]
        return len(doomed)

    def similarities(self, partition: tuple[str, ...], wanted: npt.NDArray[np.float32]) -> dict[str, float]:
        inside = [item for item in self.items.values() if item.partition == partition]
        return {item.name: float(item.vector @ wanted) for item in inside}
