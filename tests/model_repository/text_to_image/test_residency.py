import asyncio
from collections import Counter

import pytest
from order import BadOrder
from residency import Residency, Unit


def unit(name: str, size: int = 10, stamp: int = 0, models: tuple[str, ...] = ()) -> Unit:
    return Unit(name, models or (name,), size, stamp)


class Server:
    """What Triton would have loaded; loads wait while `gate` is closed, and fail for names in `broken`."""

    def __init__(self, budget: int = 20) -> None:
        self.loaded: Counter[str] = Counter()
        self.loads: Counter[str] = Counter()
        self.in_use: Counter[str] = Counter()
        self.unloaded_in_use: list[str] = []
        self.broken: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.residency = Residency(budget, self.load, self.unload)

    async def load(self, model: str) -> None:
        self.loads[model] += 1
        await self.gate.wait()
        if model in self.broken:
            raise RuntimeError(f"{model} does not load")
        self.loaded[model] += 1

    async def unload(self, model: str) -> None:
        await asyncio.sleep(0)
        if self.in_use[model]:
            self.unloaded_in_use.append(model)
        self.loaded[model] -= 1

    async def use(self, wanted: Unit, until: asyncio.Event | None = None) -> None:
        async with self.residency.use(wanted):
            for model in wanted.models:
                assert self.loaded[model] == 1
                self.in_use[model] += 1
            await (until.wait() if until else asyncio.sleep(0))
            for model in wanted.models:
                assert self.loaded[model] == 1
                self.in_use[model] -= 1

    def resident(self) -> set[str]:
        return {model for model, count in self.loaded.items() if count}


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_ten_orders_for_one_absent_character_cause_one_load() -> None:
    server = Server()
    server.gate.clear()
    orders = [asyncio.create_task(server.use(unit("aya"))) for _ in range(10)]
    await settle()
    server.gate.set()
    await asyncio.gather(*orders)
    assert server.loads == {"aya": 1} and server.residency.loads == 1


async def test_the_least_recently_used_goes_first() -> None:
    server = Server()
    for name in ("aya", "bella", "aya", "cleo"):
        await server.use(unit(name))
    assert server.resident() == {"aya", "cleo"}


async def test_a_character_in_use_is_not_unloaded() -> None:
    server, done = Server(), asyncio.Event()
    busy = asyncio.create_task(server.use(unit("aya"), done))
    await settle()
    for name in ("bella", "cleo", "dora"):
        await server.use(unit(name))
    assert "aya" in server.resident()
    done.set()
    await busy
    assert not server.unloaded_in_use


async def test_an_order_waits_while_all_the_room_is_in_use() -> None:
    server, done = Server(), asyncio.Event()
    busy = [asyncio.create_task(server.use(unit(name), done)) for name in ("aya", "bella")]
    await settle()
    waiting = asyncio.create_task(server.use(unit("cleo")))
    await settle()
    assert not waiting.done() and server.resident() == {"aya", "bella"}
    done.set()
    await asyncio.gather(*busy, waiting)
    assert not server.unloaded_in_use and len(server.resident()) == 2


async def test_a_waiting_order_is_not_starved_by_new_ones_for_loaded_characters() -> None:
    server = Server(budget=10)
    ends = [asyncio.Event() for _ in range(3)]
    first = asyncio.create_task(server.use(unit("aya"), ends[0]))
    await settle()
    waiting = asyncio.create_task(server.use(unit("bella"), ends[1]))
    await settle()
    late = asyncio.create_task(server.use(unit("aya"), ends[2]))
    await settle()
    ends[0].set()
    await first
    await settle()
    assert server.resident() == {"bella"} and not late.done()
    ends[1].set()
    ends[2].set()
    await asyncio.gather(waiting, late)
    assert server.loads == {"aya": 2, "bella": 1}


async def test_a_failed_load_is_told_to_all_and_not_remembered() -> None:
    server = Server()
    server.broken.add("aya")
    orders = [server.use(unit("aya")) for _ in range(3)]
    outcomes = await asyncio.gather(*orders, return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["aya does not load"] * 3
    assert server.loads["aya"] == 1
    server.broken.clear()
    await server.use(unit("aya"))
    assert server.resident() == {"aya"}


async def test_a_character_whose_second_network_fails_leaves_nothing_loaded() -> None:
    server = Server()
    server.broken.add("denoiser")
    with pytest.raises(RuntimeError, match="denoiser does not load"):
        await server.use(unit("aya", models=("encoder", "denoiser")))
    assert server.resident() == set()


async def test_a_cancelled_waiter_takes_the_load_from_nobody() -> None:
    server = Server()
    server.gate.clear()
    leaver, stayer = (asyncio.create_task(server.use(unit("aya"))) for _ in range(2))
    await settle()
    leaver.cancel()
    await asyncio.gather(leaver, return_exceptions=True)
    server.gate.set()
    await stayer
    assert server.loads["aya"] == 1


async def test_a_cancelled_order_holds_nothing() -> None:
    server = Server(budget=10)
    busy = asyncio.create_task(server.use(unit("aya"), asyncio.Event()))
    await settle()
    busy.cancel()
    await asyncio.gather(busy, return_exceptions=True)
    server.in_use.clear()
    await server.use(unit("bella"))
    assert server.resident() == {"bella"}


async def test_a_load_that_nobody_waits_for_any_more_does_not_happen() -> None:
    server, done = Server(budget=10), asyncio.Event()
    busy = asyncio.create_task(server.use(unit("aya"), done))
    await settle()
    waiting = asyncio.create_task(server.use(unit("bella")))
    await settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    done.set()
    await busy
    await settle()
    assert server.loads["bella"] == 0
    await server.use(unit("aya"))


async def test_changed_files_are_loaded_anew_once_the_old_are_out_of_use() -> None:
    server, done = Server(), asyncio.Event()
    busy = asyncio.create_task(server.use(unit("aya"), done))
    await settle()
    fresh = asyncio.create_task(server.use(unit("aya", stamp=1)))
    await settle()
    assert not fresh.done()
    done.set()
    await asyncio.gather(busy, fresh)
    assert server.loads["aya"] == 2 and server.loaded["aya"] == 1


async def test_files_that_change_during_their_load_are_loaded_again() -> None:
    server = Server()
    server.gate.clear()
    old = asyncio.create_task(server.use(unit("aya")))
    await settle()
    fresh = asyncio.create_task(server.use(unit("aya", stamp=1)))
    await settle()
    server.gate.set()
    await asyncio.gather(old, fresh)
    assert server.loads["aya"] == 2 and server.loaded["aya"] == 1


async def test_a_dropped_character_is_loaded_anew_once_out_of_use() -> None:
    server, done = Server(), asyncio.Event()
    busy = asyncio.create_task(server.use(unit("aya"), done))
    await settle()
    server.residency.drop(unit("aya"))
    server.residency.drop(unit("aya"))
    server.residency.drop(unit("nobody"))
    fresh = asyncio.create_task(server.use(unit("aya")))
    await settle()
    assert not fresh.done()
    done.set()
    await asyncio.gather(busy, fresh)
    assert server.loads["aya"] == 2 and server.loaded["aya"] == 1 and not server.unloaded_in_use


async def test_a_character_larger_than_the_budget_is_refused() -> None:
    server = Server(budget=5 << 20)
    with pytest.raises(BadOrder, match="aya needs 7 MiB, all characters together may take 5 MiB"):
        await server.use(unit("aya", size=7 << 20))


async def test_many_orders_for_many_characters_all_end_and_keep_to_the_budget() -> None:
    server = Server(budget=30)
    names = [f"c{number * number % 7}" for number in range(60)]
    orders = [asyncio.create_task(server.use(unit(name))) for name in names]
    for order in orders[::5]:
        order.cancel()
    outcomes = await asyncio.wait_for(asyncio.gather(*orders, return_exceptions=True), 10)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert not failures and not server.unloaded_in_use and len(server.resident()) <= 3
