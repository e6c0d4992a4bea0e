"""Many small reads become one: what is asked within one turn of the event loop goes out together."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Coalescer(Generic[K, V]):
    """Calls `read_many` once for all the keys asked for while the event loop was busy with other clients.

    Nothing is remembered between calls, so every answer is as fresh as a read of its own.
    `read_many` gets distinct keys and returns their values in the same order; its error reaches every asker.
    """

    def __init__(self, read_many: Callable[[list[K]], Awaitable[list[V]]]) -> None:
        self._read_many = read_many
        self._asked: dict[K, list[asyncio.Future[V]]] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V:
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._send)
        # One of its own for each asker: one that goes away must not take the answer from the others.
        future: asyncio.Future[V] = loop.create_future()
        self._asked.setdefault(key, []).append(future)
        return await future

    def _send(self) -> None:
        asked, self._asked = self._asked, {}
        task = asyncio.get_running_loop().create_task(self._answer(asked))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, asked: dict[K, list[asyncio.Future[V]]]) -> None:
        try:
            values = await self._read_many(list(asked))
        except Exception as error:
            for future in _waiting(itertools.chain(*asked.values())):
                future.set_exception(error)
            return
        for futures, value in zip(asked.values(), values, strict=True):
            for future in _waiting(futures):
                future.set_result(value)


def _waiting(futures: Iterable[asyncio.Future[V]]) -> list[asyncio.Future[V]]:
    """Without those whose askers have gone away."""
    return [future for future in futures if not future.done()]
