"""What large text encoders made of texts: a text is drawn many times, and encoding it takes seconds."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import numpy.typing as npt

from contract.limits import KEPT_TEXT_BYTES

Array = npt.NDArray[Any]


class KeptTexts:
    """Within a bound of bytes; the least recently used leaves. For one event loop."""

    def __init__(self, limit: int = KEPT_TEXT_BYTES) -> None:
        self._limit = limit
        self._made: OrderedDict[Hashable, tuple[Array, ...]] = OrderedDict()
        self.bytes = 0

    def find(self, key: Hashable) -> tuple[Array, ...] | None:
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def keep(self, key: Hashable, outputs: tuple[Array, ...]) -> None:
        """What alone is larger than the bound is not kept."""
        self._drop(key)
        if _size(outputs) > self._limit:
            return
        self._made[key] = outputs
        self.bytes += _size(outputs)
        while self.bytes > self._limit:
            self._drop(next(iter(self._made)))

    def _drop(self, key: Hashable) -> None:
        if key in self._made:
            self.bytes -= _size(self._made.pop(key))


def _size(outputs: tuple[Array, ...]) -> int:
    return sum(each.nbytes for each in outputs)
