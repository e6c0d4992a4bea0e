"""Which LoRAs are in a model's bank: loaded on demand, least recently used out first.

Runs in one event loop. A slot in use is never written to; any number of orders share one load.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from order import BadOrder
from residency import Residency, Unit


@dataclass(frozen=True)
class BankedLora:
    """One LoRA's factors for a model's bank."""

    name: str  # eros--aya
    file: Path
    stamp: int  # differs once the file has changed on disk: it must then be loaded anew
    strength: float
    role: str = "lora"  # as a picture's weights tell of it
    sha256: str = ""  # of the LoRA's file; "" where that is not known

    @property
    def key(self) -> str:
        return f"{self.name} {self.stamp}"


class Slots:
    """`write` puts a LoRA into a slot, and raises if it cannot."""

    def __init__(self, count: int, write: Callable[[BankedLora, int], Awaitable[None]]) -> None:
        self._count = count
        self._write = write
        self._free = list(range(count, 0, -1))  # slot 0 stands for none
        self._taken: dict[str, int] = {}  # by an adapter's key
        self._adapters: dict[str, BankedLora] = {}
        self._residency = Residency(count, self._load, self._unload)
        self._several = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def use(self, adapters: Sequence[BankedLora]) -> AsyncIterator[list[int]]:
        """Their slots, which keep what is in them within the block. Raises what `write` raised, BadOrder
        where there are more than slots."""
        if len(adapters) > self._count:
            raise BadOrder(f"the model's bank has {self._count} slots, the order needs {len(adapters)}")
        async with contextlib.AsyncExitStack() as stack:
            # Two orders that each hold what the other one waits for would wait for ever: so of those that
            # need several, one at a time asks for them.
            async with self._several if len(adapters) > 1 else contextlib.nullcontext():
                for adapter in adapters:
                    self._adapters[adapter.key] = adapter
                    unit = Unit(adapter.name, (adapter.key,), 1, adapter.stamp)
                    await stack.enter_async_context(self._residency.use(unit))
            yield [self._taken[adapter.key] for adapter in adapters]

    async def _load(self, key: str) -> None:
        slot = self._free.pop()
        try:
            await self._write(self._adapters[key], slot)
        except BaseException:
            self._free.append(slot)
            raise
        finally:
            del self._adapters[key]
        self._taken[key] = slot

    async def _unload(self, key: str) -> None:
        self._free.append(self._taken.pop(key))
