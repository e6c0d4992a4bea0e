"""Many small reads become few: what is asked while one read is under way goes out together in the next."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
MAX_KEYS = 500  # keys of one read: Redis answers nobody else meanwhile
BEAT_S = 0.002  # from the beginning of a read that several waited for to the next: so more of them share it


class Coalescer(Generic[K, V]):
    """Calls `read_many` for all the keys asked for since the read before, one call at a time.

    Nothing is remembered between calls: each read begins after it was asked for, so every answer is as fresh
    as a read of its own. `read_many` gets distinct keys and returns their values in the same order; its error
    reaches every asker of that call.
    """

    def __init__(self, read_many: Callable[[list[K]], Awaitable[list[V]]]) -> None:
        self._read_many = read_many
        self._asked: dict[K, list[asyncio.Future[V]]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        loop = asyncio.get_running_loop()
        # One of its own for each asker: one that goes away must not take the answer from the others.
        future: asyncio.Future[V] = loop.create_future()
        self._asked.setdefault(key, []).append(future)
        if self._reader is None:
            self._reader = loop.create_task(self._read_all())
        return await future

    async def _read_all(self) -> None:
        now = asyncio.get_running_loop().time
        try:
            while self._asked:
                began = now()
                keys = list(itertools.islice(self._asked, MAX_KEYS))
                askers = [self._asked.pop(key) for key in keys]
                await self._read(keys, askers)
                if len(askers) > 1 or len(askers[0]) > 1:  # who is alone never waits
                    await asyncio.sleep(max(0.0, began + BEAT_S - now()))
        finally:
            self._reader = None

    async def _read(self, keys: list[K], askers: list[list[asyncio.Future[V]]]) -> None:
        try:
            values = await self._read_many(keys)
        except Exception as error:
            for future in _waiting(itertools.chain(*askers)):
                future.set_exception(error)
            return
        for futures, value in zip(askers, values, strict=True):
            for future in _waiting(futures):
                future.set_result(value)


def _waiting(futures: Iterable[asyncio.Future[V]]) -> list[asyncio.Future[V]]:
    """Without those whose askers have gone away."""
    return [future for future in futures if not future.done()]
