"""What a partition knows of its items, but for their vectors."""

from dataclasses import dataclass, field

import numpy as np

from frontend.cache.index.block import Block
from frontend.cache.index.column import Column

# Measured: two list entries, an object header each for name and payload, the columns, a place in the index's
# dictionary of names and in the partition's dictionary of vectors.
BYTES_PER_ROW = 400


@dataclass(frozen=True, slots=True)
class IndexRow:
    order: int  # place in the log, never the same twice
    name: str
    time_ms: int
    payload: bytes
    key: int  # digest of the vector, 64 bits

    @property
    def live(self) -> bool:
        return bool(self.name)


def numbers() -> Column:
    return Column(np.int64)


@dataclass
class IndexRows:
    """Columns, a row for each item in the order of the log.

    A row is never moved nor used again: it dies. Its number is then the node's in the graph.
    """

    names: list[str] = field(default_factory=list)  # "" where the row is dead
    payloads: list[bytes] = field(default_factory=list)
    orders: Column = field(default_factory=numbers)  # ascending
    times: Column = field(default_factory=numbers)
    keys: Column = field(default_factory=lambda: Column(np.uint64))
    nodes: Column = field(
        default_factory=numbers
    )  # in the graph: an earlier row's where the vector is the same
    alive: Column = field(default_factory=lambda: Column(np.bool_))
    live: int = 0
    payload_bytes: int = 0
    _first: int = 0  # no row before it is alive

    def __len__(self) -> int:
        return len(self.names)

    def append(self, row: IndexRow) -> int:
        self.names.append(row.name)
        self.payloads.append(row.payload)
        self.orders.append(row.order)
        self.times.append(row.time_ms)
        self.keys.append(row.key)
        self.nodes.append(-1)
        self.alive.append(row.live)
        self.live += row.live
        self.payload_bytes += len(row.payload)
        return len(self) - 1

    def extend(self, block: Block) -> None:
        alive = np.array([bool(name) for name in block.names], np.bool_)
        self.names.extend(block.names)
        self.payloads.extend(block.payloads)
        columns = (self.orders, self.times, self.keys, self.nodes, self.alive)
        values = (block.orders, block.times, block.keys, block.nodes, alive)
        for column, more in zip(columns, values, strict=True):
            column.extend(more)
        self.live += int(alive.sum())
        self.payload_bytes += sum(map(len, block.payloads))

    def row(self, number: int) -> IndexRow:
        return IndexRow(
            int(self.orders.view[number]),
            self.names[number],
            int(self.times.view[number]),
            self.payloads[number],
            int(self.keys.view[number]),
        )

    def kill(self, number: int) -> None:
        self.payload_bytes -= len(self.payloads[number])
        self.names[number], self.payloads[number] = "", b""
        self.alive.view[number] = False
        self.live -= 1

    def find(self, order: int) -> int | None:
        """The live row of that order."""
        number = int(np.searchsorted(self.orders.view, order))
        if number == len(self) or self.orders.view[number] != order or not self.alive.view[number]:
            return None
        return number

    def orders_before(self, time_ms: int) -> list[int]:
        """Of live rows that are older."""
        old: list[int] = self.orders.view[(self.times.view < time_ms) & self.alive.view].tolist()
        return old

    def oldest(self) -> int:
        """The first live row; there must be one."""
        while not self.alive.view[self._first]:
            self._first += 1
        return self._first

    @property
    def memory(self) -> int:
        """Bytes, about."""
        return len(self) * BYTES_PER_ROW + self.payload_bytes
