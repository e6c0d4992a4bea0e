"""How many clients may wait on open connections: of this process, and of one key."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from frontend.common.errors import ApiError


class Seats:
    def __init__(self, most: int, each: int) -> None:
        """`each`: of one key."""
        self._most = most
        self._each = each
        self._held: Counter[str] = Counter()

    def take(self, owner: str) -> None:
        """Raises ApiError 429, 503."""
        if self._held[owner] >= self._each:
            raise ApiError(429, "Too many open streams for this key", {"Retry-After": "5"})
        if self._held.total() >= self._most:
            raise ApiError(503, "Server is busy", {"Retry-After": "5"})
        self._held[owner] += 1

    def give_back(self, owner: str) -> None:
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]

    @contextlib.contextmanager
    def seat(self, owner: str) -> Iterator[None]:
        """Raises ApiError 429, 503."""
        self.take(owner)
        try:
            yield
        finally:
            self.give_back(owner)

    @property
    def taken(self) -> int:
        return self._held.total()
