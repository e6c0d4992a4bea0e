"""Reads of one turn of the event loop go out together, and nothing is remembered."""

import asyncio

import pytest

from frontend.common.coalescer import Coalescer


async def test_reads_of_one_turn_are_one_call_with_distinct_keys() -> None:
    calls: list[list[str]] = []

    async def read_many(keys: list[str]) -> list[str]:
        calls.append(keys)
        return [key.upper() for key in keys]

    reads = Coalescer(read_many)
    assert await asyncio.gather(*(reads.get(key) for key in "abab")) == ["A", "B", "A", "B"]
    assert await reads.get("a") == "A"
    assert calls == [["a", "b"], ["a"]]


async def test_error_reaches_every_asker_and_the_next_read_is_a_new_one() -> None:
    broken = True

    async def read_many(keys: list[str]) -> list[str]:
        if broken:
            raise ConnectionError("gone")
        return keys

    reads = Coalescer(read_many)
    outcomes = await asyncio.gather(reads.get("a"), reads.get("a"), reads.get("b"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ConnectionError] * 3
    broken = False
    assert await reads.get("a") == "a"


async def test_asker_that_leaves_takes_nothing_from_the_others() -> None:
    entered = asyncio.Event()
    release = asyncio.Event()

    async def read_many(keys: list[str]) -> list[str]:
        entered.set()
        await release.wait()
        return keys

    reads = Coalescer(read_many)
    leaving, staying = asyncio.ensure_future(reads.get("a")), asyncio.ensure_future(reads.get("a"))
    await entered.wait()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    release.set()
    assert await staying == "a"
