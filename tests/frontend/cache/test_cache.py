"""A look-up answers with what was asked for, or misses; no fault reaches whoever asks."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from redis.asyncio import Redis

from frontend.cache.cache import Cache, CacheQuery
from frontend.cache.demands import Demands
from frontend.cache.log import Log
from frontend.cache.replica import Replica
from frontend.domain.cache_entry import CachedPicture
from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.prompt import read
from frontend.settings import Settings
from frontend.storage import LocalStorage, StorageError
from frontend.storage.signature import Signer
from tests.frontend.cache.bags import Bags, enter, following, holds, until
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict
from tests.lossy_redis import wired


class Shelf(LocalStorage):
    """A folder that holds everything, unless told otherwise."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, Signer(b"k" * 32), "http://localhost", 60)
        self.missing: set[str] = set()
        self.fails = self.hangs = False

    async def exists(self, key: str) -> bool:
        if self.fails:
            raise StorageError("S3 exists: 503")
        if self.hangs:
            await asyncio.sleep(3600)
        return key not in self.missing


@dataclass
class Stand:
    cache: Cache
    replica: Replica
    shelf: Shelf
    encoder: Bags = field(default_factory=Bags)

    async def find(self, text: str, **changes: Any) -> CachedPicture | None:
        asked: dict[str, Any] = {
            "job": msgspec.structs.replace(a_job(), **changes.pop("job", {})),
            "intent": PromptIntent(text),
            "demands": Demands(
                size=(1344, 768), format="jpeg", quality=95, lossless=False, seed=None, own_look=False
            ),
            "pick": 1,
            "force": False,
        }
        return await self.cache.find(CacheQuery(**asked | changes))


@contextlib.asynccontextmanager
async def stand(redis: "Redis", folder: Path, encoder: Bags | None = None) -> AsyncIterator[Stand]:
    encoder, shelf, settings = encoder or Bags(), Shelf(folder / "files"), Settings()
    async with following(redis, folder, encoder) as replica:
        source = Log(redis, settings.cache_capacity)
        yield Stand(Cache(source, replica, encoder, shelf.exists, shared=True), replica, shelf, encoder)


async def test_same_words_in_another_order_are_found_and_others_are_not(
    redis: "Redis", tmp_path: Path
) -> None:
    name = await enter(redis, "a red car, on the beach")
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        found = await one.find("on the beach, a red car")
        assert found is not None
        assert found.job.gen_id == name
        assert await one.find("a blue car, on the beach") is None
        assert await one.find("a blue car, on the beach", force=True) is not None
        assert await one.find("a red car, on the beach", job={"model": "other"}, force=True) is None


async def test_many_find_at_once_and_a_look_up_that_fails_costs_the_others_nothing(
    redis: "Redis", tmp_path: Path
) -> None:
    class Uneven(Bags):
        async def encode(self, text: str) -> npt.NDArray[np.float32]:
            return (await super().encode(text))[: 3 if "odd" in text else None]

    await enter(redis, "a tree")
    async with stand(redis, tmp_path, Uneven()) as one:
        await until(holds(one.replica, 1))
        found = await asyncio.gather(*map(one.find, ("a tree", "an odd tree", "a house", "a tree")))
        assert [each is not None for each in found] == [True, False, False, True]


async def test_rule_is_asked_where_the_floor_is_passed(redis: "Redis", tmp_path: Path) -> None:
    """To a bag of words these two are one and the same."""
    await enter(redis, "a cat chasing a dog")
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        assert await one.find("a dog chasing a cat") is None
        assert await one.find("a dog chasing a cat", force=True) is not None


async def test_request_that_excludes_what_the_picture_shows_is_a_miss(redis: "Redis", tmp_path: Path) -> None:
    await enter(redis, "a garden, a fountain")
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        assert await one.find("", intent=PromptIntent("a garden, a fountain", ("fountain",))) is None
        assert await one.find("a garden, a fountain") is not None


async def test_request_that_excludes_what_only_the_optimised_prompt_asked_for_is_a_miss(
    redis: "Redis", tmp_path: Path
) -> None:
    await enter(redis, "a garden", positive="a garden, roses, a fountain", optimized=True)
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        assert await one.find("", intent=PromptIntent("a garden", ("fountains",))) is None
        assert await one.find("a garden") is not None


@pytest.mark.parametrize("fault", ["fails", "hangs"])
async def test_store_that_does_not_answer_is_a_miss_and_the_entry_stays(
    redis: "Redis", tmp_path: Path, fault: str
) -> None:
    await enter(redis, "a tree")
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        setattr(one.shelf, fault, True)
        assert await one.find("a tree") is None
        setattr(one.shelf, fault, False)
        assert await one.find("a tree") is not None


async def test_missing_thumbnail_is_a_miss_and_the_next_best_is_handed_out(
    redis: "Redis", tmp_path: Path
) -> None:
    await enter(redis, "a tree")
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        one.shelf.missing.add(a_picture().thumbnail_key)
        assert await one.find("a tree") is None
        await until(holds(one.replica, 0))


async def test_redis_that_is_cut_off_is_a_miss_and_is_logged_once(
    redis: "Redis", redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await enter(redis, "a tree")
    with caplog.at_level(logging.WARNING):
        async with wired(redis_url, tmp_path) as (wire, near), stand(near, tmp_path) as one:
            await until(holds(one.replica, 1))
            wire.cut()
            for _ in range(2):
                assert await one.find("a tree") is None
            assert caplog.text.count("look-ups miss") == 1
            wire.mend()
            async with asyncio.timeout(10):
                while await one.find("a tree") is None:
                    await asyncio.sleep(0.05)
            assert "look-ups miss: works again" in caplog.text


async def test_picture_is_offered_with_a_safe_verdict_alone(redis: "Redis", tmp_path: Path) -> None:
    job = msgspec.structs.replace(a_job(), intent=PromptIntent("a tree"))
    unsafe = msgspec.structs.replace(
        a_verdict(), compliance="unsafe", categories=({"id": "weapons", "name": "Weapons"},)
    )
    async with stand(redis, tmp_path) as one:
        offer = await one.cache.offer(job, a_verdict())
        assert offer is not None
        assert (len(offer.vector), offer.encoder) == (2 * 64, "bags")
        assert await one.cache.offer(job, unsafe) is None
        assert await one.cache.offer(a_job(), a_verdict()) is None
        one.encoder.fails = True
        assert await one.cache.offer(job, a_verdict()) == offer  # its vector is remembered
        other = msgspec.structs.replace(a_job(), intent=PromptIntent("a boat"))
        assert await one.cache.offer(other, a_verdict()) is None


async def test_what_was_left_out_of_a_prompt_counts(redis: "Redis", tmp_path: Path) -> None:
    """Who asked for a LoRA by its tag wanted more than who did not."""

    def told(text: str) -> tuple[str, ...]:
        return read(text, ()).notes

    await enter(redis, "a car", notes=told("a car, <lora:foo:1>"))
    async with stand(redis, tmp_path) as one:
        await until(holds(one.replica, 1))
        for text, hits in (
            ("a car, <lora:foo:1>", True),
            ("A car,  <lora:foo:1>", True),
            ("a car, <lora:foo:0.1>", False),
            ("a car, <lora:bar:1>", False),
            ("a car", False),
        ):
            found = await one.find("a car", job={"notes": told(text)})
            assert (found is not None) == hits, text
