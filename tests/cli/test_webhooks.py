"""`imgen webhooks` on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cli.main import main
from frontend.common.redis_connection import connect
from frontend.domain.webhook import Webhook
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.settings import Settings
from frontend.webhooks.delivery import DeliveryState
from frontend.webhooks.store import DeliveryStore
from tests.frontend.jobs.orders import a_job

URL = "https://studio.example/hook?token=secret"


@pytest.fixture
def jobs_of_a_day(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two, of which one was given up and one waits for its second attempt."""
    monkeypatch.setenv("IMGEN_REDIS_URL", redis_url)

    async def make(redis: "Redis") -> list[str]:
        await redis.flushall()
        key, _ = await Keys(redis).create("studio")
        jobs, deliveries, ids = JobStore(redis, Settings()), DeliveryStore(redis), []
        await jobs.prepare()
        for state in (DeliveryState.GIVEN_UP, DeliveryState.PENDING):
            job = a_job(key.id)
            await jobs.accept(job, b"", None, Webhook(url=URL))
            await jobs.cancel(job.id, key.id)
            (claim,) = await deliveries.claim(60.0, 1, 1, {})
            await deliveries.tried(claim, state, "503", wait_s=60.0)
            ids.append(job.id)
        return ids

    return asyncio.run(_with(redis_url, make))


async def _with(redis_url: str, work: Callable[["Redis"], Awaitable[list[str]]]) -> list[str]:
    redis = connect(redis_url)
    try:
        return await work(redis)
    finally:
        await redis.aclose()


def test_list_tells_what_became_of_each_and_no_address(
    jobs_of_a_day: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    given_up, pending = jobs_of_a_day
    assert main(["webhooks", "list"]) == 0
    printed = capsys.readouterr().out
    rows = {words[0]: words[1:] for line in printed.splitlines()[1:] if (words := line.split())}
    assert rows[given_up] == ["studio", "studio.example", "GIVEN_UP", "1", "503"]
    assert rows[pending][:5] == ["studio", "studio.example", "PENDING", "1", "503"]
    assert "in" in rows[pending] and "token" not in printed
    assert main(["webhooks", "list", "--last", "1"]) == 0
    assert pending in (last := capsys.readouterr().out) and given_up not in last


def test_replay_says_what_follows(jobs_of_a_day: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    given_up, pending = jobs_of_a_day
    assert main(["webhooks", "replay", given_up]) == 0
    assert "again for an hour" in capsys.readouterr().out
    assert main(["webhooks", "replay", pending]) == 0
    assert "what is left of its hour" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["replay", "run_a1b2c3d4e5f6g7h8i9j0"], "no webhook of run_a1b2c3d4e5f6g7h8i9j0 is kept"),
        (["replay", "../x"], "a job's id is"),
        (["list", "--last", "0"], "expected 1 to"),
    ],
)
def test_mistake_is_one_line(
    jobs_of_a_day: list[str], capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert main(["webhooks", *words]) == 2
    printed = capsys.readouterr().err
    assert told in printed and printed.count("\n") == 1
