"""Wakes those who follow jobs. They read for themselves: nothing is handed to them, so nothing piles up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator

from redis.asyncio import Redis

from contract.redis_keys import KEYS_CHANGED, QUEUE_MOVED
from frontend.common.supervised import in_background
from frontend.jobs.changes import Changes

# Each move of the queue changes the places of all who wait in it: so often they look at most.
QUEUE_LOOK_S = 0.5


class Follower:
    """One who waits for one job."""

    __slots__ = ("_woken", "waits_in_queue")

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self.waits_in_queue = False  # whether a move of the queue concerns it

    def wake(self) -> None:
        self._woken.set()

    async def change(self, within_s: float) -> bool:
        """Whether something may have changed since the last call; waits for it so long."""
        try:
            async with asyncio.timeout(within_s):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True


class Hub:
    def __init__(self) -> None:
        self._followers: dict[str, set[Follower]] = {}
        self._queue_look: asyncio.TimerHandle | None = None
        self.closed = False

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, redis: "Redis") -> AsyncIterator["Hub"]:
        hub = cls()
        async with in_background(Changes(redis, hub.tell, hub.wake_all).follow()):
            yield hub

    @contextlib.contextmanager
    def following(self, job_id: str) -> Iterator[Follower]:
        follower = Follower()
        others = self._followers.setdefault(job_id, set())
        others.add(follower)
        try:
            yield follower
        finally:
            others.discard(follower)
            if not others and self._followers.get(job_id) is others:
                del self._followers[job_id]

    def tell(self, message: str) -> None:
        if message == QUEUE_MOVED:
            if self._queue_look is None:
                self._queue_look = asyncio.get_running_loop().call_later(QUEUE_LOOK_S, self._wake_waiting)
        elif message == KEYS_CHANGED:
            self.wake_all()
        else:
            _wake(self._followers.get(message, ()))

    def _wake_waiting(self) -> None:
        self._queue_look = None
        _wake(follower for follower in self._all() if follower.waits_in_queue)

    def wake_all(self) -> None:
        _wake(self._all())

    def close(self) -> None:
        """Nobody is to wait any longer: the server stops."""
        self.closed = True
        self.wake_all()

    @property
    def followed(self) -> int:
        """How many jobs are."""
        return len(self._followers)

    def _all(self) -> Iterator[Follower]:
        for followers in self._followers.values():
            yield from followers


def _wake(followers: Iterable[Follower]) -> None:
    for follower in followers:
        follower.wake()
