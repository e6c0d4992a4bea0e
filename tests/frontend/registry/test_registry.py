"""Over the real Redis: pictures that jobs leave there, and what a process knows of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from contract.redis_keys import PICTURES
from frontend.common.supervised import in_background
from frontend.domain.luma_grid import LumaGrid
from frontend.jobs.store import JobStore
from frontend.registry.index import name_digest
from frontend.registry.registry import BATCH, Behind, Registry
from frontend.registry.search import by_word
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_job, a_picture
from tests.lossy_redis import wired

from .pictures import a_registered


async def register(redis: "Redis", *numbers: int) -> None:
    for number in numbers:
        await redis.xadd(PICTURES, {"picture": msgspec.json.encode(a_registered(number))})


async def keep(redis: "Redis", picture: object) -> str:
    """Its entry."""
    entry: Any = await redis.xadd(PICTURES, {"picture": msgspec.json.encode(picture)})
    return str(entry.decode())


@contextlib.asynccontextmanager
async def following(redis: "Redis") -> AsyncIterator[Registry]:
    registry = Registry(redis)
    async with in_background(registry.follow()):
        yield registry


async def test_picture_is_registered_the_moment_it_becomes_the_jobs(redis: "Redis") -> None:
    store = JobStore(redis, Settings())
    await store.prepare()
    job = a_job()
    await store.accept(job, b"", None)
    claim = await store.next("one", 100)
    assert claim is not None
    stored = msgspec.structs.replace(
        a_picture(), invisible_id="0123456789abcdef", invisible_key=2, fingerprint_quality=80
    )
    async with following(redis) as registry:
        assert await store.made(claim, stored)
        columns = await registry.columns()
        assert len(columns) == 1
        picture = await registry.picture(columns.entry(0))
    assert (picture.job, picture.gen_id, picture.owner, picture.time) == (
        job.id,
        job.gen_id,
        job.owner,
        job.time,
    )
    assert (picture.invisible_id, picture.invisible_key, picture.fingerprint_quality) == (
        "0123456789abcdef",
        2,
        80,
    )
    assert (picture.sha256, picture.file) == (stored.sha256, stored.key)
    assert await redis.ttl(PICTURES) == -1


async def test_picture_is_registered_once_however_often_it_is_told(redis: "Redis") -> None:
    store = JobStore(redis, Settings())
    await store.prepare()
    await store.accept(a_job(), b"", None)
    claim = await store.next("one", 100)
    assert claim is not None
    assert await store.made(claim, a_picture())
    assert await store.made(claim, a_picture())
    assert not await store.made(claim, a_picture("b" * 64))
    assert await redis.xlen(PICTURES) == 1


async def test_lost_answer_registers_no_picture_twice(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with wired(redis_url, tmp_path) as (wire, wired_redis):
        store = JobStore(wired_redis, Settings())
        await store.prepare()
        await store.accept(a_job(), b"", None)
        claim = await store.next("one", 100)
        assert claim is not None
        wire.lose_answer_to("p.jpg")
        assert await store.made(claim, a_picture())
        assert wire.lost == 1
    assert await redis.xlen(PICTURES) == 1


async def test_all_that_was_there_before_is_read_and_what_comes_later_too(redis: "Redis") -> None:
    count = BATCH + 7
    await register(redis, *range(count))
    async with following(redis) as one, following(redis) as other:
        assert [len(await registry.columns()) for registry in (one, other)] == [count, count]
        await register(redis, count)
        columns = await other.columns()
        assert len(columns) == count + 1
        assert (await one.picture(columns.entry(count))).gen_id == f"gen{count}"


async def test_nothing_is_registered_at_first(redis: "Redis") -> None:
    async with following(redis) as registry:
        assert len(await registry.columns()) == 0


async def test_entry_that_cannot_be_read_hides_no_other(redis: "Redis") -> None:
    await register(redis, 1)
    await redis.xadd(PICTURES, {"odd": "entry"})
    await redis.xadd(PICTURES, {"picture": b"{"})
    await redis.xadd(PICTURES, {"picture": msgspec.json.encode(a_registered(2, sha256="short"))})
    await register(redis, 3)
    async with following(redis) as registry:
        columns = await registry.columns()
        assert [(await registry.picture(columns.entry(row))).gen_id for row in (0, 1)] == ["gen1", "gen3"]
        assert len(columns) == 2


@pytest.mark.parametrize(
    "grid",
    [[0, ""], [0, "AAAA"], [-1, "AAAA"], [2, "AAAA"], [1, ""], [1, "A"], [1, "A" * 100_000], ["x", 1], 5],
)
async def test_entry_whose_grid_is_damaged_is_one_without(
    redis: "Redis", caplog: pytest.LogCaptureFixture, grid: object
) -> None:
    picture = a_registered(1)
    damaged = msgspec.to_builtins(picture) | {"luma_grid": grid}
    entry = await keep(redis, damaged)
    registry = Registry(redis)
    assert await registry.picture(entry) == picture
    assert [record.getMessage() for record in caplog.records] == [
        f"registry: entry {entry}: its luma_grid is damaged"
    ]
    assert await registry.by_name("gen1") == (entry, picture)
    async with following(redis) as another:
        assert len(await another.columns()) == 1


async def test_entry_with_a_grid_is_read_whole(redis: "Redis", caplog: pytest.LogCaptureFixture) -> None:
    picture = a_registered(1, luma_grid=LumaGrid(2, b"abcdef"))
    entry = await keep(redis, picture)
    assert await Registry(redis).picture(entry) == picture
    assert not caplog.records


async def test_picture_that_was_taken_down_is_found_by_nothing(redis: "Redis") -> None:
    await register(redis, 1)
    await register(redis, 2)
    async with following(redis) as registry:
        assert len(await registry.columns()) == 2
        found = await registry.by_name("gen1")
        assert found is not None
        assert found[1].gen_id == "gen1"
        await redis.xadd(PICTURES, {"gone": "gen1"})
        await redis.xdel(PICTURES, found[0])
        columns = await registry.columns()
        assert not by_word(columns.names, name_digest("gen1"))
        assert by_word(columns.names, name_digest("gen2"))
        assert (columns.keys[0], columns.marks[0], columns.qualities[0]) == (0, 0, 0)
        assert await registry.by_name("gen1") is None


async def test_picture_is_found_by_name_behind_many_others(redis: "Redis") -> None:
    await register(redis, *range(2 * BATCH + 3))
    for number in (0, BATCH, 2 * BATCH + 2):
        found = await Registry(redis).by_name(f"gen{number}")
        assert found is not None
        assert found[1].gen_id == f"gen{number}"


async def test_redis_that_was_put_back_to_an_earlier_state_is_read_again(redis: "Redis") -> None:
    await redis.xadd(PICTURES, {"picture": msgspec.json.encode(a_registered(1))}, id="5-0")
    async with following(redis) as registry:
        assert len(await registry.columns()) == 1
        await redis.delete(PICTURES)
        await redis.xadd(PICTURES, {"picture": msgspec.json.encode(a_registered(2))}, id="4-0")
        columns = await registry.columns()
        assert [columns.entry(row) for row in range(len(columns))] == ["4-0"]


async def test_index_that_is_behind_gives_no_answer(redis: "Redis") -> None:
    await register(redis, 1)
    registry = Registry(redis, behind_s=0.1)  # which nobody lets follow
    asked = asyncio.create_task(registry.columns())
    with pytest.raises(Behind):
        await asked


async def test_entry_that_is_gone_gives_no_answer(redis: "Redis") -> None:
    with pytest.raises(Behind):
        await Registry(redis).picture("1-0")
