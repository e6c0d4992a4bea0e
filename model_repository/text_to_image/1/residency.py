"""Which characters are loaded: on demand, least recently used out first, within a budget.

Runs in one event loop. A character in use is never unloaded; any number of orders share one load.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from order import BadOrder


@dataclass(frozen=True)
class Unit:
    """Triton models that come and go together: those of one character."""

    name: str
    models: tuple[str, ...]
    size: int  # bytes of their files, the measure of the budget
    stamp: int  # differs once the files have changed on disk: they must then be loaded anew
    weights: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Hashes of the denoiser and of what it was made of."""


class _Entry:
    def __init__(self, unit: Unit) -> None:
        self.unit = unit
        self.claims = 0  # orders that use it or wait for it
        self.idle = asyncio.Event()  # set while there are none
        self.loading: asyncio.Task[None]
        self.loaded = False


class _Unwanted(Exception):
    """All who waited for a load have left; never seen by an order."""


class Residency:
    """`load` and `unload` take the name of one Triton model; `load` raises if it fails."""

    def __init__(
        self,
        budget: int,
        load: Callable[[str], Awaitable[None]],
        unload: Callable[[str], Awaitable[None]],
    ) -> None:
        self.budget = budget  # may change while it runs; what is loaded then stays until room is needed
        self._load = load
        self._unload = unload
        self._entries: dict[str, _Entry] = {}  # least recently used first
        self._leaving: list[_Entry] = []  # still loaded, but taken by nobody new
        self._taken = 0  # bytes of all that is loaded
        self._turn = asyncio.Lock()  # one load at a time, first come first served
        self.loads = 0  # units loaded so far

    @property
    def taken(self) -> int:
        """Bytes of files of all that is loaded."""
        return self._taken

    @contextlib.asynccontextmanager
    async def use(self, unit: Unit) -> AsyncIterator[None]:
        """Keeps `unit` loaded within the block. Raises what `load` raised, or BadOrder for one too large."""
        if unit.size > self.budget:
            needed, budget = unit.size >> 20, self.budget >> 20
            raise BadOrder(f"{unit.name} needs {needed} MiB, all characters together may take {budget} MiB")
        entry = self._claim(unit)
        try:
            # Shielded: an order that is cancelled while it waits must not take the load from the others.
            await asyncio.shield(entry.loading)
            yield
        finally:
            entry.claims -= 1
            if not entry.claims:
                entry.idle.set()

    def drop(self, unit: Unit) -> None:
        """Has `unit` loaded anew for the next order; those that use it now go on with what they have."""
        entry = self._entries.get(unit.name)
        if entry is not None and entry.unit == unit and entry.loaded:
            del self._entries[unit.name]
            self._leaving.append(entry)

    def _claim(self, unit: Unit) -> _Entry:
        entry = self._entries.pop(unit.name, None)
        if entry is not None and entry.unit != unit:
            if entry.loaded:
                self._leaving.append(entry)
            entry = None
        if entry is None:
            entry = _Entry(unit)
            entry.loading = asyncio.create_task(self._bring(entry))
            entry.loading.add_done_callback(_mark_seen)
        self._entries[unit.name] = entry
        entry.claims += 1
        entry.idle.clear()
        return entry

    async def _bring(self, entry: _Entry) -> None:
        try:
            async with self._turn:
                await self._make_room(entry)
                await self._load_all(entry.unit)
                entry.loaded = True
                self._taken += entry.unit.size
                self.loads += 1
                if self._entries.get(entry.unit.name) is not entry:  # its files changed while it loaded
                    self._leaving.append(entry)
        except BaseException:
            # Not remembered: the next order tries again.
            if self._entries.get(entry.unit.name) is entry:
                del self._entries[entry.unit.name]
            raise

    async def _make_room(self, entry: _Entry) -> None:
        while True:
            if not entry.claims:
                raise _Unwanted
            if not self._leaving:
                if self._taken + entry.unit.size <= self.budget:
                    return
                self._choose_victim()
            victim = self._leaving[0]
            await victim.idle.wait()
            self._leaving.remove(victim)
            await self._unload_all(victim.unit.models)
            self._taken -= victim.unit.size

    def _choose_victim(self) -> None:
        """The least recently used that is idle, else the least recently used: it goes when its orders end."""
        loaded = [item for item in self._entries.values() if item.loaded]
        victim = next((item for item in loaded if not item.claims), loaded[0])
        del self._entries[victim.unit.name]
        self._leaving.append(victim)

    async def _load_all(self, unit: Unit) -> None:
        for index, model in enumerate(unit.models):
            try:
                await self._load(model)
            except BaseException:
                await self._unload_all(unit.models[:index])
                raise

    async def _unload_all(self, models: tuple[str, ...]) -> None:
        for model in models:
            # Triton refuses only what it does not have (any more): then there is nothing to free.
            with contextlib.suppress(Exception):
                await self._unload(model)


def _mark_seen(task: "asyncio.Task[None]") -> None:
    """An error that every waiter has walked away from is no news for the event loop's log."""
    if not task.cancelled():
        task.exception()
