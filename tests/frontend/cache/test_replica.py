"""A copy of the cache is what the log says, whatever happened to either."""

import asyncio
import logging
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.redis_keys import CACHE, CACHE_EPOCH
from frontend.cache import candidate as candidate_of
from frontend.cache.candidate import Candidate
from frontend.cache.log import Log
from frontend.cache.replica import Replica
from frontend.common.supervised import in_background
from frontend.domain.job import Job
from tests.fakes import bag_of_words
from tests.frontend.cache.bags import Bags, enter, following, holds, until
from tests.frontend.jobs.orders import a_job


def candidates(replica: Replica, job: Job | None = None) -> list[Candidate]:
    assert replica.copy is not None
    place = candidate_of.partition(job or a_job(), shared=True)
    found = replica.copy.index.search(place, bag_of_words("a tree"), 32)
    return [candidate_of.decode(match.payload) for match in found]


async def test_pictures_come_and_go_in_the_order_of_the_log(redis: "Redis", tmp_path: Path) -> None:
    first = await enter(redis, "a tree")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        await enter(redis, "a house")
        await until(holds(replica, 2))
        await Log(redis, 10).gone(first)
        await until(holds(replica, 1))
        assert [made.intent.positive for made in candidates(replica)] == ["a house"]
        async with asyncio.timeout(5):  # its prompt is deleted from the log, too
            while await redis.xlen(CACHE) != 2:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "fields",
    [
        {"record": "{"},
        {"vector": b""},
        {"vector": b"\x00" * 128},
        {"vector": b"\xff" * 128},
        {"verdict": '{"compliance":"unsafe"}'},
        {"picture": '{"sha256":"' + "b" * 64 + '"}'},
    ],
)
async def test_entry_that_cannot_be_read_is_passed_over(
    redis: "Redis", tmp_path: Path, fields: dict[str, str | bytes]
) -> None:
    await enter(redis, "a tree", fields=fields)
    await redis.xadd(CACHE, {"something": "of a later version"})
    await enter(redis, "a house")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        assert [made.intent.positive for made in candidates(replica)] == ["a house"]


async def test_vectors_of_another_encoder_are_left_out(redis: "Redis", tmp_path: Path) -> None:
    await enter(redis, "a tree", encoder="another")
    await enter(redis, "a house")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        assert [made.intent.positive for made in candidates(replica)] == ["a house"]


async def test_log_that_was_lost_is_begun_anew(redis: "Redis", tmp_path: Path) -> None:
    await enter(redis, "a tree")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        await redis.delete(CACHE, CACHE_EPOCH)
        await until(holds(replica, 0))
        await enter(redis, "a house")
        await until(holds(replica, 1))


async def test_log_that_was_put_back_to_an_earlier_state_is_read_again(
    redis: "Redis", tmp_path: Path
) -> None:
    await enter(redis, "a tree", entry_id="9999999999998-0")
    await enter(redis, "a house", entry_id="9999999999999-0")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 2))
        await redis.xdel(CACHE, "9999999999999-0")
        await until(holds(replica, 1))


async def test_server_that_slept_through_the_whole_log_trusts_nothing_it_knew(
    redis: "Redis", tmp_path: Path
) -> None:
    """A removal may have been among what was trimmed away."""
    await enter(redis, "a tree", entry_id="1000-0")
    async with following(redis, tmp_path, cache_snapshot_s=0.1) as replica:
        await until(holds(replica, 1))
        await until(lambda: any((tmp_path / "cache").glob("*")))
    await enter(redis, "a house", entry_id="2000-0")
    await redis.xdel(CACHE, "1000-0")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        await until(lambda: [made.intent.positive for made in candidates(replica)] == ["a house"])


async def test_start_from_a_snapshot_reads_the_rest_of_the_log(redis: "Redis", tmp_path: Path) -> None:
    first = await enter(redis, "a tree")
    async with following(redis, tmp_path, cache_snapshot_s=0.1) as replica:
        await until(holds(replica, 1))
        await until(lambda: any((tmp_path / "cache").glob("*")))
    await enter(redis, "a house")
    await Log(redis, 10).gone(first)
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        await until(lambda: [made.intent.positive for made in candidates(replica)] == ["a house"])


async def test_snapshot_of_another_encoder_is_not_used(redis: "Redis", tmp_path: Path) -> None:
    await enter(redis, "a tree")
    async with following(redis, tmp_path, cache_snapshot_s=0.1) as replica:
        await until(holds(replica, 1))
        await until(lambda: any((tmp_path / "cache").glob("*")))
    async with following(redis, tmp_path, Bags(name="newer")) as replica:
        await until(lambda: replica.copy is not None)
        assert holds(replica, 0)()


@pytest.mark.parametrize("hours", [-24 * 8, 24])
async def test_picture_of_another_time_is_not_handed_out(redis: "Redis", tmp_path: Path, hours: int) -> None:
    """Older than its life; or of the future, as after this machine's clock was put back."""
    await enter(redis, "a tree", entry_id=f"{int((time.time() + hours * 3600) * 1000)}-0")
    async with following(redis, tmp_path) as replica:
        await until(lambda: replica.copy is not None and replica.copy.saved.position != "0-0")
        assert [replica.refusal(made) for made in candidates(replica)] == ["expired"]


async def test_upkeep_takes_out_what_is_too_old(redis: "Redis", tmp_path: Path) -> None:
    await enter(redis, "a tree", entry_id=f"{int((time.time() - 8 * 86_400) * 1000)}-0")
    await enter(redis, "a house")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 2))
        async with in_background(replica.upkeep()):
            await until(holds(replica, 1))
            async with asyncio.timeout(5):  # from the log, too
                while await redis.xlen(CACHE) != 1:
                    await asyncio.sleep(0.01)
        assert [made.intent.positive for made in candidates(replica)] == ["a house"]


async def test_picture_of_a_ruleset_that_has_changed_is_dropped(redis: "Redis", tmp_path: Path) -> None:
    await redis.hset("imgen:rulesets", "default", "v1")
    await enter(redis, "a tree", version="v1")
    await enter(redis, "a house", version="v0")
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 2))
        refusals = {made.intent.positive: replica.refusal(made) for made in candidates(replica)}
        assert refusals == {"a tree": None, "a house": "ruleset"}
        await redis.xadd(CACHE, {"ruleset": "default", "version": "v2"})
        await until(holds(replica, 0))


async def test_picture_of_older_weights_is_refused_once_newer_ones_have_drawn(
    redis: "Redis", tmp_path: Path
) -> None:
    await enter(redis, "a tree", weights={"lora": "a" * 64, "engine": "1" * 64})
    async with following(redis, tmp_path) as replica:
        await until(holds(replica, 1))
        await enter(redis, "a house", weights={"lora": "a" * 64, "engine": "2" * 64})  # another GPU
        await until(holds(replica, 2))
        assert [replica.refusal(made) for made in candidates(replica)] == [None, None]
        await enter(redis, "a lake", weights={"lora": "b" * 64})
        await until(holds(replica, 3))
        refusals = {made.intent.positive: replica.refusal(made) for made in candidates(replica)}
        assert refusals == {"a tree": "weights", "a house": "weights", "a lake": None}


async def test_fault_that_lasts_is_logged_once(
    redis: "Redis", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = Bags(fails=True)
    with caplog.at_level(logging.WARNING):
        async with following(redis, tmp_path, encoder) as replica:
            await until(lambda: len(encoder.asked) >= 2)
            assert replica.copy is None
            encoder.fails = False
            await until(lambda: replica.copy is not None)
            await until(lambda: "works again" in caplog.text)
    assert caplog.text.count("the log is not followed") == 2  # it began, and it is over
