import asyncio

import pytest

from frontend.common.errors import ApiError
from frontend.common.limiter import Limiter


async def test_so_many_at_a_time_so_many_wait_and_the_rest_is_refused() -> None:
    room, go, inside, most = Limiter(at_a_time=2, waiting=1), asyncio.Event(), 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with room.slot():
            inside += 1
            most = max(most, inside)
            await go.wait()
            inside -= 1

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as refused:
        await work()
    assert (refused.value.status, "Retry-After" in refused.value.headers) == (503, True)
    go.set()
    await asyncio.gather(*tasks)
    assert most == 2
    await work()


async def test_one_that_goes_away_while_it_waits_leaves_its_place() -> None:
    room, go = Limiter(at_a_time=1, waiting=1), asyncio.Event()

    async def work() -> None:
        async with room.slot():
            await go.wait()

    first = asyncio.create_task(work())
    for _ in range(3):
        waiting = asyncio.create_task(work())
        await asyncio.sleep(0)
        waiting.cancel()
        (ended,) = await asyncio.gather(waiting, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)  # not refused, as where places are lost
    go.set()
    await first
