"""Items by what their prompts mean: exact within small partitions, a graph within large ones."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from frontend.cache.index.item import Item, Match, Vector, check_vector
from frontend.cache.index.limits import Limits
from frontend.cache.index.partition import Partition
from frontend.cache.index.rows import IndexRow
from frontend.cache.index.state import SLICE, Key, State
from frontend.cache.index.upkeep import Upkeep
from frontend.cache.index.whole_search import search_whole


@dataclass(frozen=True, kw_only=True)
class PartitionStatistics:
    partition: tuple[str, ...]
    items: int
    dead: int  # rows that wait for the partition to be made anew
    in_graph: int  # nodes; 0 where search is exact
    memory: int  # bytes, about


class CacheIndex:
    """Safe to use from many threads. Nothing here may run on an event loop: each call may take a while."""

    def __init__(self, dimension: int, limits: Limits) -> None:
        self.dimension = dimension
        self.limits = limits
        self.state = State(dimension, limits)  # for snapshots
        self._upkeep = Upkeep(self.state)

    def __len__(self) -> int:
        return len(self.state.places)

    def add(self, items: Sequence[Item]) -> None:
        """In the order of the log. A known name is replaced, and is then the newest.

        Beyond a capacity the oldest by that order goes, item by item; so what is held after a log depends on
        the log alone, not on how it was cut into calls. Raises ValueError for a vector of another shape or
        length, and nothing is added then.
        """
        vectors = [check_vector(item.vector, self.dimension, item.name) for item in items]
        digests = [digest(vector) for vector in vectors]
        for start in range(0, len(items), SLICE):
            with self.state.lock.writing():
                for at in range(start, min(start + SLICE, len(items))):
                    self._put(items[at], digests[at], vectors[at])
        self._upkeep.tidy()

    def _put(self, item: Item, key: int, vector: Vector) -> None:
        state, limits = self.state, self.limits
        state.kill_named(item.name)
        partition = state.places.by_key.get(item.partition) or state.new_partition(item.partition)
        partition.append(IndexRow(state.next_order, item.name, item.time_ms, item.payload, key), vector)
        state.places.put(item.name, state.next_order, partition)
        state.next_order += 1
        state.touched.add(item.partition)
        if len(partition) > limits.partition_capacity:
            state.kill(partition, partition.rows.oldest())
        if len(self) > limits.capacity:
            state.kill(*state.places.oldest())

    def remove(self, names: Iterable[str]) -> int:
        """How many of them there were. No search that starts after this returns finds one of them."""
        names, gone = list(names), 0
        for start in range(0, len(names), SLICE):
            with self.state.lock.writing():
                gone += sum(self.state.kill_named(name) for name in names[start : start + SLICE])
        self._upkeep.tidy()
        return gone

    def remove_where(self, gone: Callable[[bytes], bool]) -> int:
        """By payload; how many. `gone` may be slow. What is added meanwhile may or may not be asked about."""
        removed = 0
        for key in self.state.all_keys():
            for rows in self.state.walk(key):
                removed += self._remove_rows(key, [row.order for row in rows if gone(row.payload)])
        self._upkeep.tidy()
        return removed

    def expire(self, before_ms: int) -> int:
        """Removes what is older; how many."""
        removed = sum(
            self._remove_rows(key, self._orders_before(key, before_ms)) for key in self.state.all_keys()
        )
        self._upkeep.tidy()
        return removed

    def _orders_before(self, key: Key, before_ms: int) -> list[int]:
        with self.state.lock.reading():
            partition = self.state.places.by_key.get(key)
            return partition.rows.orders_before(before_ms) if partition else []

    def _remove_rows(self, key: Key, orders: Sequence[int]) -> int:
        removed = 0
        for start in range(0, len(orders), SLICE):
            with self.state.lock.writing():
                removed += sum(self._remove_row(key, order) for order in orders[start : start + SLICE])
        return removed

    def _remove_row(self, key: Key, order: int) -> bool:
        partition = self.state.places.by_key.get(key)
        number = partition.rows.find(order) if partition else None
        if partition is None or number is None:
            return False
        self.state.kill(partition, number)
        return True

    def search(self, partition: tuple[str, ...], vector: Vector, count: int) -> list[Match]:
        """The most similar live items, best first, the newer of equals first.

        count: 1 to `limits.most_matches`; fewer come only where the partition has fewer. Raises ValueError
        for another count, and for a vector of another shape or length.
        """
        if not 1 <= count <= self.limits.most_matches:
            raise ValueError(f"count must be from 1 to {self.limits.most_matches}, not {count}")
        plain = check_vector(vector, self.dimension, "search")
        with self.state.lock.reading():
            place = self.state.places.by_key.get(partition)
            if place is None:
                return []
            found = place.search(plain, count)
            if found is not None:
                return place.matches(found)
        self.state.whole_searches += 1
        return search_whole(self.state, partition, plain, count)

    def payload(self, name: str) -> bytes | None:
        """None: there is no such item."""
        with self.state.lock.reading():
            place = self.state.places.find(name)
            return place[0].rows.row(place[1]).payload if place else None

    def statistics(self) -> list[PartitionStatistics]:
        with self.state.lock.reading():
            return [_statistics(partition) for partition in self.state.places.by_key.values()]

    @property
    def whole_searches(self) -> int:
        """Searches that no graph could answer, so that a whole partition was read: slow in a large one."""
        return self.state.whole_searches

    def maintain(self) -> int:
        """Makes partitions anew that have lost too many items; how many. To be called now and then.

        Takes minutes for a million items, and their memory twice; searches and changes go on meanwhile.
        """
        return self._upkeep.maintain()

    def still(self) -> AbstractContextManager[list[Partition]]:
        """For a snapshot: no graph changes and no row moves meanwhile; rows come and die all the same."""
        return self._upkeep.still()


def _statistics(partition: Partition) -> PartitionStatistics:
    return PartitionStatistics(
        partition=partition.key,
        items=len(partition),
        dead=partition.dead,
        in_graph=partition.graph.findable if partition.graph else 0,
        memory=partition.memory,
    )


def digest(vector: Vector) -> int:
    return int.from_bytes(hashlib.blake2b(vector.tobytes(), digest_size=8).digest(), "little")
