import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from order import BadOrder
from slots import BankedLora, Slots


def adapter(name: str, stamp: int = 0) -> BankedLora:
    return BankedLora(name=name, file=Path(name), stamp=stamp, strength=1.0)


class Written:
    """What lies in the slots; writes wait while `gate` is closed, and fail for names in `broken`."""

    def __init__(self, count: int = 2) -> None:
        self.held: dict[int, str] = {}
        self.in_use: Counter[int] = Counter()
        self.writes: list[str] = []
        self.broken: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.slots = Slots(count, self.write)

    async def write(self, adapter: BankedLora, slot: int) -> None:
        self.writes.append(adapter.name)
        await self.gate.wait()
        assert not self.in_use[slot] and 1 <= slot
        if adapter.name in self.broken:
            raise RuntimeError(f"{adapter.name} cannot be read")
        self.held[slot] = adapter.key

    async def draw(self, *adapters: BankedLora, until: asyncio.Event | None = None) -> None:
        async with self.slots.use(adapters) as slots:
            for one, slot in zip(adapters, slots, strict=True):
                assert self.held[slot] == one.key
                self.in_use[slot] += 1
            await (until.wait() if until else asyncio.sleep(0))
            for one, slot in zip(adapters, slots, strict=True):
                assert self.held[slot] == one.key
                self.in_use[slot] -= 1


async def settle() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_many_orders_wait_for_one_write() -> None:
    bank = Written()
    bank.gate.clear()
    orders = [asyncio.create_task(bank.draw(adapter("aya"))) for _ in range(10)]
    await settle()
    bank.gate.set()
    await asyncio.gather(*orders)
    assert bank.writes == ["aya"]


async def test_a_slot_in_use_is_not_written_to() -> None:
    bank, until = Written(), asyncio.Event()
    busy = [asyncio.create_task(bank.draw(adapter(name), until=until)) for name in ("aya", "bella")]
    await settle()
    waiting = asyncio.create_task(bank.draw(adapter("cleo")))
    await settle()
    assert bank.writes == ["aya", "bella"] and not waiting.done()
    until.set()
    await asyncio.gather(*busy, waiting)
    assert bank.writes == ["aya", "bella", "cleo"]


async def test_the_least_recently_used_goes() -> None:
    bank = Written()
    for name in ("aya", "bella", "aya", "cleo", "aya"):
        await bank.draw(adapter(name))
    assert bank.writes == ["aya", "bella", "cleo"]


async def test_a_file_that_changed_is_written_anew() -> None:
    bank = Written()
    for stamp in (1, 1, 2):
        await bank.draw(adapter("aya", stamp))
    assert bank.writes == ["aya", "aya"]


async def test_a_write_that_failed_leaves_its_slot_free() -> None:
    bank = Written()
    bank.broken = {"broken"}
    for _ in range(3):
        with pytest.raises(RuntimeError, match="cannot be read"):
            await bank.draw(adapter("broken"))
    await asyncio.gather(*(bank.draw(adapter(name)) for name in ("aya", "bella", "cleo")))


async def test_orders_of_two_adapters_do_not_wait_for_each_other_for_ever() -> None:
    bank = Written()
    pairs = [("aya", "noir"), ("bella", "neon"), ("noir", "aya"), ("cleo", "noir")] * 4
    async with asyncio.timeout(30):
        await asyncio.gather(*(bank.draw(*map(adapter, pair)) for pair in pairs))


async def test_an_order_of_more_than_there_are_slots_is_refused() -> None:
    bank = Written(count=1)
    with pytest.raises(BadOrder, match="1 slots, the order needs 2"):
        await bank.draw(adapter("aya"), adapter("noir"))
    async with AsyncExitStack() as stack:
        assert await stack.enter_async_context(bank.slots.use([])) == []
