import asyncio

import pytest

from frontend.common.errors import ApiError
from frontend.common.fair_limiter import FairLimiter

LONG_S = 60.0


class Work:
    """Tasks that hold a slot until they are told to end; who was let in, in order."""

    def __init__(self, limiter: FairLimiter) -> None:
        self.limiter = limiter
        self.let_in: list[str] = []
        self.go: dict[str, asyncio.Event] = {}

    async def _work(self, name: str, wait_s: float) -> None:
        async with self.limiter.slot(name[0], wait_s):
            self.let_in.append(name)
            await self.go[name].wait()

    async def begin(self, *names: str, wait_s: float = LONG_S) -> list["asyncio.Task[None]"]:
        """The first letter of a name is its owner."""
        self.go |= {name: asyncio.Event() for name in names}
        tasks = [asyncio.create_task(self._work(name, wait_s)) for name in names]
        await asyncio.sleep(0)
        return tasks

    async def end(self, *names: str) -> None:
        for name in names:
            self.go[name].set()
        for _ in range(5):
            await asyncio.sleep(0)


async def test_free_slot_goes_to_who_holds_fewest_and_then_in_turns() -> None:
    work = Work(FairLimiter(2, waiting_each=3, waiting=9))
    tasks = await work.begin("a1", "a2", "a3", "a4", "a5", "b1", "b2", "c1")
    assert work.let_in == ["a1", "a2"]
    for name in ("a1", "a2", "b1", "a3", "c1", "b2", "a4", "a5"):
        await work.end(name)
    await asyncio.gather(*tasks)
    assert work.let_in == ["a1", "a2", "b1", "a3", "c1", "b2", "a4", "a5"]


async def test_own_places_run_out_before_everybody_s() -> None:
    work = Work(FairLimiter(1, waiting_each=2, waiting=3, too_many="Too many"))
    tasks = await work.begin("a1", "a2", "a3", "b1")
    for name, status in (("a4", 429), ("b2", 503), ("c1", 503)):
        (refused,) = await work.begin(name)
        with pytest.raises(ApiError) as raised:
            await refused
        assert (raised.value.status, raised.value.headers["Retry-After"]) == (status, "5")
    await work.end("a1", "a2", "a3", "b1")
    await asyncio.gather(*tasks)
    (later,) = await work.begin("a9")
    await work.end("a9")
    await later


async def test_one_that_goes_away_or_waits_in_vain_leaves_its_place() -> None:
    work = Work(FairLimiter(1, waiting_each=1, waiting=1))
    (first,) = await work.begin("a1")
    for _ in range(3):
        (late,) = await work.begin("a2", wait_s=0.01)
        with pytest.raises(TimeoutError):
            await late
        (gone,) = await work.begin("a2")
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
    await work.end("a1")
    await first
    (last,) = await work.begin("a3")
    await work.end("a3")
    await last
    assert work.let_in == ["a1", "a3"]


async def test_slot_that_comes_as_its_asker_goes_away_is_passed_on() -> None:
    work, ready = Work(FairLimiter(1, waiting_each=2, waiting=4)), asyncio.Event()

    async def first() -> None:
        async with work.limiter.slot("a", LONG_S):
            await ready.wait()
        gone.cancel()  # it has its turn, and has not seen it yet

    task = asyncio.create_task(first())
    await asyncio.sleep(0)
    gone, following = await work.begin("b1", "c1")
    ready.set()
    await task
    await work.end("c1")
    await following
    assert work.let_in == ["c1"]
