"""Where every item of the index is, and which is the oldest."""

import heapq
from collections.abc import Iterable

from frontend.cache.index.partition import Partition

PARTITIONS = 2**32  # a place is order * PARTITIONS + number: one object for each name, not three


class Places:
    """Partitions by key and by number, items by name. Not safe by itself: `index.py` holds the lock."""

    def __init__(self) -> None:
        self.by_key: dict[tuple[str, ...], Partition] = {}
        self._by_number: dict[int, Partition] = {}
        self._orders: dict[str, int] = {}
        self._oldest: list[
            tuple[int, int]
        ] = []  # heap: of each partition an order not above its oldest, number

    def __len__(self) -> int:
        return len(self._orders)

    def open(self, partition: Partition) -> None:
        """A new one, or one that takes the place of the one with its number."""
        if partition.number not in self._by_number:
            heapq.heappush(self._oldest, (0, partition.number))
        self.by_key[partition.key] = self._by_number[partition.number] = partition

    def close(self, partition: Partition) -> None:
        del self.by_key[partition.key], self._by_number[partition.number]

    def put(self, name: str, order: int, partition: Partition) -> None:
        self._orders[name] = order * PARTITIONS + partition.number

    def forget(self, name: str) -> None:
        del self._orders[name]

    def find(self, name: str) -> tuple[Partition, int] | None:
        """The partition and the row."""
        place = self._orders.get(name)
        if place is None:
            return None
        order, number = divmod(place, PARTITIONS)
        partition = self._by_number[number]
        row = partition.rows.find(order)
        assert row is not None, "a name leads to a live row"
        return partition, row

    def oldest(self) -> tuple[Partition, int]:
        """The partition and the row of the oldest item of all; there must be one."""
        while True:
            order, number = self._oldest[0]
            partition = self._by_number.get(number)
            if partition is None:
                heapq.heappop(self._oldest)
                continue
            row = partition.rows.oldest()
            now = int(partition.rows.orders.view[row])
            if now == order:
                return partition, row
            heapq.heapreplace(self._oldest, (now, number))

    def fill(self, partitions: Iterable[Partition]) -> None:
        """When empty: with these and all their items.

        A name may be in two of them, where it moved while a snapshot was written: the newer item stays.
        """
        doubled = False
        for partition in partitions:
            self.open(partition)
            for name, order in zip(partition.rows.names, partition.rows.orders.view.tolist(), strict=True):
                if name:
                    place = order * PARTITIONS + partition.number
                    before = self._orders.get(name, 0)
                    doubled |= before > 0
                    self._orders[name] = max(before, place)
        if doubled:
            self._kill_doubles()

    def _kill_doubles(self) -> None:
        for partition in list(self.by_key.values()):
            for number in range(len(partition.rows)):
                if partition.rows.names[number] and self.find(partition.rows.names[number]) != (
                    partition,
                    number,
                ):
                    partition.kill(number)
            if not len(partition):
                self.close(partition)
