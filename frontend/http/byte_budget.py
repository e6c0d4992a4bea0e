"""How many bytes of requests the process holds at a time, and how many of them one client."""

from collections import Counter
from collections.abc import Callable

from frontend.common.errors import ApiError


class ByteBudget:
    def __init__(self, total: int, share: int) -> None:
        """`share`: the most of `total` that one owner may hold."""
        self._left = total
        self._share = share
        self._held: Counter[str] = Counter()

    def account(self, owner: str) -> "ByteAccount":
        return ByteAccount(self, owner)

    def take(self, owner: str, count: int) -> None:
        """Raises ApiError 503."""
        if count > self._left or self._held[owner] + count > self._share:
            raise ApiError(503, "Server is busy", {"Retry-After": "5"})
        self._left -= count
        self._held[owner] += count

    def give_back(self, owner: str, count: int) -> None:
        self._left += count
        self._held[owner] -= count
        if not self._held[owner]:
            del self._held[owner]


class ByteAccount:
    """What one request takes, until its end: `with budget.account(owner) as take`."""

    __slots__ = ("_budget", "_owner", "_taken")

    def __init__(self, budget: ByteBudget, owner: str) -> None:
        self._budget, self._owner, self._taken = budget, owner, 0

    def __enter__(self) -> Callable[[int], None]:
        """A function that takes so many bytes more, or raises ApiError 503."""
        return self._take

    def __exit__(self, *_: object) -> None:
        if self._taken:
            self._budget.give_back(self._owner, self._taken)

    def _take(self, count: int) -> None:
        self._budget.take(self._owner, count)
        self._taken += count
