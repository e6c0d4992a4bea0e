"""An array that grows at its end."""

from typing import Any

import numpy as np
import numpy.typing as npt

FIRST_ROOM = 64


class Column:
    """[n] or [n, width]. `view` shows what it holds until it grows."""

    def __init__(self, kind: npt.DTypeLike, width: int | None = None, room: int = FIRST_ROOM) -> None:
        self._room = np.zeros((max(room, 1),) if width is None else (max(room, 1), width), kind)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def view(self) -> npt.NDArray[Any]:
        return self._room[: self._count]

    @property
    def nbytes(self) -> int:
        return self._room.nbytes

    def append(self, value: Any) -> None:
        if self._count == len(self._room):
            self._grow(self._count + 1)
        self._room[self._count] = value
        self._count += 1

    def extend(self, values: npt.NDArray[Any]) -> None:
        if self._count + len(values) > len(self._room):
            self._grow(self._count + len(values))
        self._room[self._count : self._count + len(values)] = values
        self._count += len(values)

    def drop_first(self, count: int) -> None:
        """Gives the room back as well."""
        kept = self.view[count:]
        self._room = np.zeros((max(len(kept), FIRST_ROOM), *kept.shape[1:]), kept.dtype)
        self._room[: len(kept)] = kept
        self._count = len(kept)

    def _grow(self, count: int) -> None:
        larger = np.zeros((max(count, len(self._room) * 3 // 2), *self._room.shape[1:]), self._room.dtype)
        larger[: self._count] = self.view
        self._room = larger
