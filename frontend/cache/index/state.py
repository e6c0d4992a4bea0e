"""What all parts of the index share, and who may touch it."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from frontend.cache.index.limits import Limits
from frontend.cache.index.partition import Partition
from frontend.cache.index.places import Places
from frontend.cache.index.readers_writer import ReadersWriterLock
from frontend.cache.index.rows import IndexRow

SLICE = 32  # rows that are written or killed while searches wait
WALK = 256  # rows that are read at once

Key = tuple[str, ...]


@dataclass
class State:
    """The locks are taken in the order in which they stand here, from the bottom up."""

    dimension: int
    limits: Limits
    places: Places = field(default_factory=Places)
    next_order: int = 1
    next_number: int = 1
    touched: set[Key] = field(default_factory=set)  # partitions that may need upkeep
    closed: list[Partition] = field(default_factory=list)  # to be given back while no search waits
    whole_searches: int = 0  # that the graph could not answer
    rebuilds: int = 0
    lock: ReadersWriterLock = field(default_factory=ReadersWriterLock)  # everything; for about a millisecond
    graphs: threading.Lock = field(
        default_factory=threading.Lock
    )  # who changes graphs or needs them unchanged
    rebuilding: threading.Lock = field(default_factory=threading.Lock)  # one partition at a time

    def all_keys(self) -> list[Key]:
        with self.lock.reading():
            return list(self.places.by_key)

    def new_partition(self, key: Key) -> Partition:
        partition = Partition(key, self.next_number, self.dimension, self.limits)
        self.next_number += 1
        self.places.open(partition)
        return partition

    def restore(self, partitions: Iterable[Partition], next_order: int) -> None:
        """When empty, and nobody else has it."""
        self.places.fill(partitions)
        self.next_order = next_order
        for partition in list(self.places.by_key.values()):
            while len(partition) > self.limits.partition_capacity:
                self.kill(partition, partition.rows.oldest())
        while len(self.places) > self.limits.capacity:
            self.kill(*self.places.oldest())
        self.touched.update(self.places.by_key)

    def kill(self, partition: Partition, number: int) -> None:
        """While `lock` is held for writing."""
        self.places.forget(partition.rows.names[number])
        partition.kill(number)
        self.touched.add(partition.key)
        if not len(partition):
            self.places.close(partition)
            self.closed.append(partition)

    def kill_named(self, name: str) -> bool:
        """While `lock` is held for writing. Whether there was one."""
        place = self.places.find(name)
        if place is not None:
            self.kill(*place)
        return place is not None

    def walk(self, key: Key) -> Iterator[list[IndexRow]]:
        """All live rows of a partition, a few at a time; nothing is locked in between."""
        order = 0
        while True:
            with self.lock.reading():
                partition = self.places.by_key.get(key)
                rows = [partition.rows.row(at) for at in partition.after(order, WALK)] if partition else []
            if not rows:
                return
            yield rows
            order = rows[-1].order
