"""Who is woken by what."""

import asyncio

from contract.redis_keys import KEYS_CHANGED, QUEUE_MOVED
from frontend.events.hub import Follower, Hub

SOON_S = 20.0


async def woken(*followers: Follower) -> list[bool]:
    """Whether each has been woken by now."""
    return [await follower.change(0) for follower in followers]


async def test_change_wakes_those_who_follow_that_job() -> None:
    hub = Hub()
    with hub.following("a") as one, hub.following("a") as two, hub.following("b") as other:
        hub.tell("a")
        hub.tell("nobody's")
        assert await woken(one, two, other) == [True, True, False]
        assert await woken(one) == [False]  # once
        hub.tell(KEYS_CHANGED)
        assert await woken(one, two, other) == [True, True, True]
        hub.close()
        assert await woken(one, two, other) == [True, True, True]
        assert hub.closed


async def test_move_of_the_queue_wakes_those_who_wait_in_it() -> None:
    hub = Hub()
    with hub.following("a") as at_work, hub.following("b") as waiting:
        waiting.waits_in_queue = True
        for _ in range(100):
            hub.tell(QUEUE_MOVED)
        assert await waiting.change(SOON_S)
        assert await woken(at_work, waiting) == [False, False]


async def test_who_leaves_is_forgotten() -> None:
    hub = Hub()
    with hub.following("a"):
        with hub.following("a"):
            pass
        assert hub.followed == 1
    assert hub.followed == 0


async def test_change_that_comes_before_the_wait_is_not_missed() -> None:
    hub = Hub()
    with hub.following("a") as follower:
        waiting = asyncio.create_task(follower.change(SOON_S))
        hub.tell("a")
        assert await waiting
