"""`imgen usage` on a real Redis."""

import asyncio
import csv
from collections.abc import Iterator
from datetime import timedelta

import msgspec
import pytest
from redis import Redis

from cli.main import main
from contract.redis_keys import USAGE_PREFIX
from frontend.common.redis_connection import connect
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.keys.usage import MEASURES, today
from frontend.settings import Settings
from tests.frontend.jobs.orders import a_job, a_picture


@pytest.fixture(autouse=True)
def used(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Two keys: one drew two pictures of aya and one of nobody, the other ordered one. The first one's id."""
    monkeypatch.setenv("IMGEN_REDIS_URL", redis_url)

    async def use() -> str:
        redis = connect(redis_url)
        await redis.flushall()
        jobs = JobStore(redis, Settings())
        await jobs.prepare()
        studio, _ = await Keys(redis).create("studio")
        shop, _ = await Keys(redis).create("shop")
        nobody = msgspec.structs.replace(a_job(studio.id), character="")
        for job in (a_job(studio.id), a_job(studio.id), nobody):
            await jobs.accept(job, b"", None)
            claim = await jobs.next("one", 100)
            assert claim and await jobs.made(claim, a_picture())
        await jobs.accept(a_job(shop.id), b"", None)
        await redis.aclose()
        return studio.id

    yield asyncio.run(use())
    with Redis.from_url(redis_url) as redis:
        redis.flushall()


def table(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, list[int]]:
    assert main(["usage", *arguments, "--csv"]) == 0
    head, *rows = csv.reader(capsys.readouterr().out.splitlines())
    assert head[1:] == list(MEASURES)
    return {name: [int(count) for count in counts] for name, *counts in rows}


def test_usage_is_told_by_key_day_model_and_character(capsys: pytest.CaptureFixture[str]) -> None:
    assert table(capsys) == {"studio": [3, 3, 0, 0, 0, 27], "shop": [1, 0, 0, 0, 0, 0]}
    in_all = [4, 3, 0, 0, 0, 27]
    assert table(capsys, "--by", "model") == {"eros": in_all}
    assert table(capsys, "--by", "day") == {today().isoformat(): in_all}
    assert table(capsys, "--by", "character") == {"aya": [3, 2, 0, 0, 0, 18], "-": [1, 1, 0, 0, 0, 9]}
    assert table(capsys, "--key", "shop") == {"shop": [1, 0, 0, 0, 0, 0]}


def test_table_ends_with_the_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    *_, last = capsys.readouterr().out.splitlines()
    assert last.split() == ["in", "all", "4", "3", "0", "0", "0", "27"]


def test_earlier_days_are_told_when_they_are_asked_for(
    used: str, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Redis.from_url(redis_url) as redis:
        then = today() - timedelta(days=40)
        redis.hset(f"{USAGE_PREFIX}{used}:{then}", mapping={"jobs:eros:": 5, "unknown:eros:": 1})
    assert table(capsys)["studio"][0] == 3
    assert table(capsys, "--since", f"{then}")["studio"][0] == 8
    assert table(capsys, "--since", "41d", "--by", "day")[f"{then}"][0] == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "soon"], "expected a day such as 2"),
        (["--since", "0d"], "that is still to come"),
        (["--since", "401d"], "usage is kept for 400 days"),
        (["--since", "99999999999d"], "expected a day"),
        (["--key", "nobody"], "there is no key 'nobody'"),
    ],
)
def test_question_without_sense_is_told_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["usage", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
