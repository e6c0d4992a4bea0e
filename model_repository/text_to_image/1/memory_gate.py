"""Lets in as many pictures at a time as the machine has memory for. Runs in one event loop.

A network keeps what its largest batch needed, so what one model took is not there for another one any more.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection

from order import BadOrder


class MemoryGate:
    """`loaded` tells the bytes of all networks without pictures; `limit` is what there is."""

    def __init__(self, limit: int, loaded: Callable[[], int]) -> None:
        self._limit = limit
        self._loaded = loaded
        self._active: defaultdict[str, int] = defaultdict(int)  # bytes of the pictures at work, by model
        self._kept: defaultdict[str, int] = defaultdict(int)  # the most that it was
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def slot(self, model: str, needed: int, refusal: str) -> AsyncIterator[None]:
        """Waits until `needed` bytes are free for a picture. Raises BadOrder(refusal) where it never fits."""
        async with self._freed:
            while not self._fits(model, self._active[model] + needed):
                if not self._active[model]:
                    raise BadOrder(refusal)
                await self._freed.wait()
            self._active[model] += needed
            self._kept[model] = max(self._kept[model], self._active[model])
        try:
            yield
        finally:
            async with self._freed:
                self._active[model] -= needed
                self._freed.notify_all()

    def forget_others(self, models: Collection[str]) -> None:
        """What models other than these kept is free: their processes have ended with them."""
        for model in [name for name in self._kept if name not in models and not self._active[name]]:
            del self._kept[model]

    def _fits(self, model: str, active: int) -> bool:
        others = sum(kept for name, kept in self._kept.items() if name != model)
        return self._loaded() + others + max(active, self._kept[model]) <= self._limit
