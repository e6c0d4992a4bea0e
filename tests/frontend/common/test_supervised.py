import asyncio
import contextlib
import logging

import pytest

from frontend.common.supervised import SupervisedLoop, in_background

LOG = logging.getLogger("tests.supervised")


class Turns:
    """A turn that fails as often as it is told to, and then waits."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.count = 0
        self.idle = asyncio.Event()

    async def __call__(self) -> None:
        self.count += 1
        if self.count <= self.failures:
            raise ZeroDivisionError
        if self.count > self.failures + 1:
            self.idle.set()
            await asyncio.Event().wait()


async def test_no_failure_of_a_turn_ends_the_loop(caplog: pytest.LogCaptureFixture) -> None:
    turns = Turns(failures=3)
    loop = SupervisedLoop("the work", turns, LOG, pause_s=0)
    async with asyncio.timeout(10), in_background(loop.run()):
        await turns.idle.wait()
        assert not loop.failing
    assert turns.count == 5
    assert caplog.messages == ["the work: ", "the work: works again"]


async def test_loop_tells_that_its_last_turn_failed_while_it_pauses() -> None:
    loop = SupervisedLoop("the work", Turns(failures=1), LOG, pause_s=3600)
    async with asyncio.timeout(10), in_background(loop.run()):
        while not loop.failing:
            await asyncio.sleep(0)


async def test_background_work_ends_with_its_block_though_a_cancellation_is_lost() -> None:
    lost, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with asyncio.timeout(10), in_background(stubborn()):
        await asyncio.sleep(0)
    assert lost.is_set()
    assert ended.is_set()
