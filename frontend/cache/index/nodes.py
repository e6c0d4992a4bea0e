"""Which rows share a node of the graph."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Nodes:
    """Rows with the very same vector have one, with the number of the first of them.

    hnswlib would link a crowd of equal vectors to each other alone, where no search finds them.
    """

    def __init__(self) -> None:
        self.dead: list[int] = []  # no row is left, and the graph does not know yet
        self._by_key: dict[int, int] = {}  # digest of a vector → its node
        self._alike: dict[int, list[int]] = {}  # node → its live rows, where there are or were several

    def of(self, key: int) -> int | None:
        """The one whose vector has this digest."""
        return self._by_key.get(key)

    def open(self, key: int, number: int) -> None:
        """Of two vectors with one digest the first keeps it; the other's node is not shared."""
        self._by_key.setdefault(key, number)

    def join(self, node: int, number: int) -> None:
        self._alike.setdefault(node, [node]).append(number)

    def leave(self, node: int, number: int, key: int) -> None:
        """The row has died."""
        alike = self._alike.get(node)
        if alike is not None:
            alike.remove(number)
            if alike:
                return
            del self._alike[node]
        self.dead.append(node)
        if self._by_key.get(key) == node:
            del self._by_key[key]

    def rows(self, node: int) -> Sequence[int]:
        """Its rows, oldest first. Of a node that nobody shared its own row, dead or alive."""
        return self._alike.get(node) or (node,)

    def restore(self, numbers: Numbers, nodes: Numbers, keys: npt.NDArray[np.uint64]) -> None:
        """When empty: with the live rows, their nodes and digests, each [n]."""
        self._by_key = dict(zip(keys.tolist(), nodes.tolist(), strict=True))
        crowded = np.isin(nodes, nodes[nodes != numbers])
        for node, number in zip(nodes[crowded].tolist(), numbers[crowded].tolist(), strict=True):
            self._alike.setdefault(node, []).append(number)
