"""Whoever delivers may be killed at any moment: nothing is lost."""

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contract.redis_keys import WEBHOOKS_PENDING
from frontend.domain.webhook import Webhook
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.settings import ROOT, Settings
from tests.frontend.jobs.orders import a_job
from tests.webhook_receiver import FAULTS, Message, receiving

JOBS, KILLS = 40, 5


@contextlib.asynccontextmanager
async def delivering(redis_url: str, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Until it is killed at the end, amid its work."""
    settings = {
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_PRIVATE_NETWORKS": "127.0.0.0/8",
        "IMGEN_WEBHOOK_CA": str(folder / "chain.pem"),
        "IMGEN_WEBHOOK_TIMEOUT_S": "0.3",
        "IMGEN_WEBHOOK_RETRY_S": "0.05",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.frontend.webhooks.deliver", cwd=ROOT, env={**os.environ, **settings}
    )
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


@pytest.mark.redis
async def test_none_is_lost_when_the_delivering_process_is_killed_again_and_again(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    chance, faults = random.Random(3), Counter[str]()
    jobs = JobStore(redis, Settings())
    await jobs.prepare()
    key, _ = await Keys(redis).create("studio")
    secret = await WebhookSecretStore(redis).add(key)

    def behave(message: Message) -> str:
        """Each delivery fails until the last process runs, so that every one meets a kill."""
        if len(killed) < KILLS or chance.random() < 0.3:
            faults[fault := chance.choice(FAULTS)] += 1
            return fault
        return "ok"

    killed: list[int] = []
    ordered = set()
    async with receiving(tmp_path, secret) as receiver:
        receiver.behave = behave
        for _ in range(JOBS):
            job = a_job(key.id)
            await jobs.accept(job, b"", None, Webhook(url=receiver.url))
            await jobs.cancel(job.id, key.id)
            ordered.add(job.id)
        for _ in range(KILLS):
            async with delivering(redis_url, tmp_path) as process:
                before = len(receiver.attempts)
                await receiver.until(lambda seen=before: len(receiver.attempts) >= seen + 10)  # type: ignore[misc]
                killed.append(process.pid)
        async with delivering(redis_url, tmp_path):
            await receiver.until(lambda: set(receiver.taken) == ordered)
            async with asyncio.timeout(30):
                while await redis.hgetall(WEBHOOKS_PENDING):
                    await asyncio.sleep(0.02)
    assert len(set(killed)) == KILLS and faults
    assert {each.id for each in receiver.attempts} == ordered
    assert {each.body["status"] for each in receiver.attempts} == {"Cancelled"}
