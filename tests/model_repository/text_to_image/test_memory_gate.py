import asyncio

import pytest
from memory_gate import MemoryGate
from order import BadOrder


async def test_pictures_wait_until_there_is_room() -> None:
    gate, at_work, most = MemoryGate(100, lambda: 40), 0, 0

    async def draw() -> None:
        nonlocal at_work, most
        async with gate.slot("eros", 30, "too large"):
            at_work += 1
            most = max(most, at_work)
            await asyncio.sleep(0)
            at_work -= 1

    await asyncio.gather(*(draw() for _ in range(9)))
    assert (at_work, most) == (0, 2)


async def test_picture_that_never_fits_is_refused_at_once() -> None:
    gate = MemoryGate(100, lambda: 40)
    with pytest.raises(BadOrder, match="too large"):
        async with gate.slot("eros", 61, "too large"):
            raise AssertionError("it was let in")
    async with gate.slot("eros", 60, "too large"):
        pass


async def test_what_another_model_once_needed_is_not_there_any_more() -> None:
    gate = MemoryGate(100, lambda: 40)
    async with gate.slot("eros", 40, "too large"):
        pass
    with pytest.raises(BadOrder, match="beside eros"):
        async with gate.slot("alto", 30, "beside eros"):
            raise AssertionError("it was let in")
    async with gate.slot("eros", 60, "too large"):
        pass


async def test_picture_that_is_cancelled_while_it_waits_leaves_its_place() -> None:
    gate = MemoryGate(100, lambda: 40)
    async with gate.slot("eros", 60, "too large"):

        async def wait() -> None:
            async with gate.slot("eros", 60, "too large"):
                raise AssertionError("it was let in")

        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
    async with gate.slot("eros", 60, "too large"):
        pass


async def test_what_a_model_needed_that_was_unloaded_is_there_again() -> None:
    gate = MemoryGate(100, lambda: 40)
    async with gate.slot("eros", 40, "too large"):
        gate.forget_others(["alto"])  # but not while it draws
        with pytest.raises(BadOrder, match="beside eros"):
            async with gate.slot("alto", 30, "beside eros"):
                raise AssertionError("it was let in")
    gate.forget_others(["alto"])
    async with gate.slot("alto", 60, "beside eros"):
        pass
