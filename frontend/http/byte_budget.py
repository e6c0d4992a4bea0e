"""How many bytes of requests the process holds at a time, and how many of them one client."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

from frontend.common.errors import ApiError


class ByteBudget:
    def __init__(self, total: int, share: int) -> None:
        """`share`: the most of `total` that one owner may hold."""
        self._left = total
        self._share = share
        self._held: Counter[str] = Counter()

    @contextlib.contextmanager
    def account(self, owner: str) -> Iterator[Callable[[int], None]]:
        """A function that takes so many bytes more until the end, or raises ApiError 503."""
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._left or self._held[owner] + count > self._share:
                raise ApiError(503, "Server is busy", {"Retry-After": "5"})
            self._left -= count
            self._held[owner] += count
            taken += count

        try:
            yield take
        finally:
            self._left += taken
            self._held[owner] -= taken
            if not self._held[owner]:
                del self._held[owner]
