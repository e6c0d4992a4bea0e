"""Bounded concurrency that its callers share: nobody's many requests keep another one's few waiting."""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator

from frontend.common.errors import ApiError


class FairLimiter:
    """A free slot goes to the owner that holds fewest; equals take turns."""

    def __init__(self, at_a_time: int, *, waiting_each: int, waiting: int, too_many: str = "") -> None:
        """`waiting_each`: of one owner; `waiting`: of all together.

        `too_many`: what an owner with more is told with a 429; "": 503, as where all together are too many.
        """
        self._free = at_a_time
        self._max_each, self._max = waiting_each, waiting
        self._too_many = too_many
        self._held: Counter[str] = Counter()
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns

    @contextlib.asynccontextmanager
    async def slot(self, owner: str, wait_s: float | None = None) -> AsyncIterator[None]:
        """Raises ApiError 429, 503 where too many wait already; TimeoutError after `wait_s` in vain."""
        await self._acquire(owner, wait_s)
        try:
            yield
        finally:
            self._release(owner)

    async def _acquire(self, owner: str, wait_s: float | None) -> None:
        if self._free:
            self._free -= 1
            self._held[owner] += 1
            return
        queue = self._queues.get(owner, ())
        if len(queue) >= self._max_each and self._too_many:
            raise ApiError(429, self._too_many, {"Retry-After": "5"})
        if len(queue) >= self._max_each or sum(map(len, self._queues.values())) >= self._max:
            raise ApiError(503, "Server is busy", {"Retry-After": "5"})
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(owner, deque()).append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it was given a slot in this very moment
                self._release(owner)
            else:
                self._leave(owner, turn)
            raise

    def _leave(self, owner: str, turn: "asyncio.Future[None]") -> None:
        queue = self._queues[owner]
        queue.remove(turn)
        if not queue:
            del self._queues[owner]

    def _release(self, owner: str) -> None:
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        if not self._queues:
            self._free += 1
            return
        following = min(self._queues, key=self._held.__getitem__)  # a Counter gives 0 for who holds none
        queue = self._queues.pop(following)
        queue.popleft().set_result(None)
        if queue:
            self._queues[following] = queue  # behind all others
        self._held[following] += 1
