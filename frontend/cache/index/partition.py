"""The items of one model, style and character: the newest in a matrix, the rest in a graph."""

import time
from collections.abc import Sequence
from itertools import islice

import numpy as np

from frontend.cache.index.block import Block
from frontend.cache.index.column import Column
from frontend.cache.index.graph import Graph
from frontend.cache.index.item import Match, Vector
from frontend.cache.index.limits import Limits
from frontend.cache.index.nodes import Nodes
from frontend.cache.index.rows import IndexRow, IndexRows

WIDEST = 2_048  # asked of the graph; beyond that going through everything is as good
WIDER = 4
Found = list[tuple[float, int]]  # similarity, row


class Partition:
    """Not safe by itself: `index.py` holds the lock.

    A new item is appended to the rows and to the tail, a matrix that is searched exactly. `graft` moves the
    tail, oldest first, into the graph.
    """

    def __init__(self, key: tuple[str, ...], number: int, dimension: int, limits: Limits) -> None:
        self.key = key
        self.number = number  # never used again by another partition
        self.rows = IndexRows()
        self.graph: Graph | None = None
        self.grafted = 0  # rows before it were moved out of the tail
        self.killed: list[int] | None = None  # orders, while a successor is being made
        self._dimension = dimension
        self._limits = limits
        self._tail = Column(np.float32, dimension)
        self._tail_first = 0  # the tail's first row
        self._in_graph = 0  # live rows whose vector is there
        self._nodes = Nodes()

    def __len__(self) -> int:
        """Live items."""
        return self.rows.live

    @property
    def dead(self) -> int:
        return len(self.rows) - self.rows.live

    @property
    def memory(self) -> int:
        """Bytes, about."""
        return self.rows.memory + self._tail.nbytes + (self.graph.memory if self.graph else 0)

    def append(self, row: IndexRow, vector: Vector) -> None:
        self.rows.append(row)
        self._tail.append(vector)

    def kill(self, number: int) -> None:
        """A live row."""
        if self.killed is not None:
            self.killed.append(int(self.rows.orders.view[number]))
        self.rows.kill(number)
        if number < self.grafted:
            self._in_graph -= 1
            rows = self.rows
            self._nodes.leave(int(rows.nodes.view[number]), number, int(rows.keys.view[number]))

    # Searching

    def search(self, vector: Vector, count: int) -> Found | None:
        """The `count` best live rows, best first; None: the graph did not give that many."""
        among = self._search_graph(vector, min(count, self._in_graph))
        if among is None:
            return None
        found = among + self._search_tail(vector, count)
        found.sort(reverse=True)
        return found[:count]

    def _search_tail(self, vector: Vector, count: int) -> Found:
        alive = self.rows.alive.view[self.grafted :]
        if not len(alive):
            return []
        similarities = self._tail.view[self.grafted - self._tail_first :] @ vector
        similarities[~alive] = -np.inf
        best = np.argpartition(-similarities, count)[:count] if count < len(alive) else np.arange(len(alive))
        return [(float(similarities[row]), self.grafted + int(row)) for row in best if alive[row]]

    def _search_graph(self, vector: Vector, count: int) -> Found | None:
        if not self.graph or not count:
            return []
        wanted = count
        while True:
            wanted = min(wanted, self.graph.findable)
            nearest = self.graph.nearest(vector, wanted) if wanted <= WIDEST else None
            if nearest is None:
                return None
            rows = (
                (similarity, row)
                for node, similarity in zip(nearest[0].tolist(), nearest[1].tolist(), strict=True)
                for row in reversed(self._nodes.rows(node))
                if self.rows.alive.view[row]
            )
            found = list(islice(rows, count))  # a node may have very many rows
            if len(found) == count:
                return found
            # Some of these nodes have died and are not marked yet.
            if wanted == self.graph.findable:
                return None
            wanted *= WIDER

    def matches(self, found: Found) -> list[Match]:
        rows = self.rows
        return [Match(rows.names[row], min(1.0, similarity), rows.payloads[row]) for similarity, row in found]

    # Walking through everything

    def after(self, order: int, most: int) -> list[int]:
        """The first `most` live rows whose order is larger."""
        first = int(np.searchsorted(self.rows.orders.view, order, "right"))
        found: list[int] = []
        while first < len(self.rows) and len(found) < most:
            alive = np.flatnonzero(self.rows.alive.view[first : first + most])
            found += (alive + first).tolist()
            first += most
        return found[:most]

    def vectors(self, numbers: Sequence[int]) -> Vector:
        """[n, dimension] of live rows."""
        split = int(np.searchsorted(np.asarray(numbers), self.grafted))
        parts = [self._tail.view[np.asarray(numbers[split:], np.int64) - self._tail_first]]
        if split and self.graph:
            parts.insert(0, self.graph.vectors(self.rows.nodes.view[np.asarray(numbers[:split])]))
        return np.concatenate(parts)

    def take(self, old: "Partition", most: int) -> int:
        """The next live rows of the one whose place it takes; how many. Empties `old.killed`."""
        killed, old.killed = old.killed or [], []
        for order in killed:
            number = self.rows.find(order)
            if number is not None:
                self.kill(number)
        last = int(self.rows.orders.view[-1]) if len(self.rows) else 0
        numbers = old.after(last, most)
        if numbers:
            for number, vector in zip(numbers, old.vectors(numbers), strict=True):
                self.append(old.rows.row(number), vector)
        return len(numbers)

    # From the tail into the graph

    @property
    def waiting(self) -> int:
        """IndexRows in the tail."""
        return len(self.rows) - self.grafted

    @property
    def due(self) -> bool:
        """There is work for `graft`."""
        if self.graph is None:
            return self.rows.live > self._limits.exact_below
        return self.waiting >= self._limits.tail or bool(self._nodes.dead)

    def graft(self, most_s: float) -> None:
        """For about so long; a single vector may take a millisecond."""
        until = time.perf_counter() + most_s
        graph = self._begun_graph()
        self._mark(graph)
        while self.grafted < len(self.rows):
            self._graft(graph, 1, 1)
            if time.perf_counter() > until:
                break
        self._trim()

    def graft_all(self, threads: int) -> None:
        """Where nobody else has this partition."""
        graph = self._begun_graph()
        self._graft(graph, self.waiting, threads)
        self._mark(graph)
        self._trim()

    def _begun_graph(self) -> Graph:
        if self.graph is None:
            self.graph = Graph(self._dimension, self._limits, max(2 * self.rows.live, 64))
        return self.graph

    def _graft(self, graph: Graph, count: int, threads: int) -> None:
        """The next `count` rows."""
        new = [number for number in range(self.grafted, self.grafted + count) if self._is_new(graph, number)]
        if new:
            nodes = np.array(new, np.int64)
            graph.add(self._tail.view[nodes - self._tail_first], nodes, threads)
        self.grafted += count

    def _is_new(self, graph: Graph, number: int) -> bool:
        """Whether the row needs a node of its own; notes which one it has. A dead row needs none."""
        if not self.rows.alive.view[number]:
            return False
        self._in_graph += 1
        key = int(self.rows.keys.view[number])
        node = self._nodes.of(key)
        shared = node is not None and self._same(graph, node, number)
        self.rows.nodes.view[number] = node if shared else number
        if node is not None and shared:
            self._nodes.join(node, number)
            return False
        self._nodes.open(key, number)
        return True

    def _same(self, graph: Graph, node: int, number: int) -> bool:
        tail, first = self._tail.view, self._tail_first
        vector = tail[node - first] if node >= self.grafted else graph.vectors([node])[0]
        return np.array_equal(vector, tail[number - first])

    def _mark(self, graph: Graph) -> None:
        for node in self._nodes.dead:
            graph.mark(node)
        self._nodes.dead.clear()

    def _trim(self) -> None:
        """Seldom: what is left is copied."""
        gone = self.grafted - self._tail_first
        if gone * 2 >= len(self._tail):
            self._tail.drop_first(gone)
            self._tail_first = self.grafted

    # To disk and back

    def block(self, start: int, end: int) -> Block:
        """Copied, with the vectors that are not in the graph."""
        rows, first = self.rows, max(start, self.grafted)
        return Block(
            orders=rows.orders.view[start:end].copy(),
            times=rows.times.view[start:end].copy(),
            keys=rows.keys.view[start:end].copy(),
            nodes=rows.nodes.view[start:end].copy(),
            names=rows.names[start:end],
            payloads=rows.payloads[start:end],
            vectors=self._tail.view[first - self._tail_first : max(first, end) - self._tail_first].copy(),
        )

    def append_block(self, block: Block) -> None:
        """Before `restore`."""
        self.rows.extend(block)
        self._tail.extend(block.vectors)

    def restore(self, graph: Graph | None, grafted: int) -> None:
        """Puts the graph beside the rows. Raises ValueError where they do not belong together."""
        rows, own = self.rows, np.arange(grafted)
        nodes = rows.nodes.view[:grafted]
        numbers = np.flatnonzero(rows.alive.view[:grafted])
        with_node = own[nodes == own]
        if len(self._tail) != len(rows) - grafted or len(with_node) != (len(graph) if graph else 0):
            raise ValueError("rows and graph do not belong together")
        if np.any(np.diff(rows.orders.view) <= 0) or not np.isin(nodes[numbers], with_node).all():
            raise ValueError("rows are out of order")
        self.graph, self.grafted, self._tail_first = graph, grafted, grafted
        self._in_graph = len(numbers)
        nodes = nodes[numbers]
        self._nodes.restore(numbers, nodes, rows.keys.view[numbers])
        if graph:
            graph.mark_all(np.setdiff1d(with_node, nodes))
