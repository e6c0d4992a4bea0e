"""/readyz tells whether pictures can be made: it writes where they will be written, and names the setting."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contract.redis_keys import AUDIT_CHARACTERS
from embedded.part import free_port, running
from tests.api.harness import Api, api
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import rclone_part
from tests.small_disk import small_disk


async def readiness(server: Api) -> tuple[int, dict[str, Any]]:
    async with server.http.get(f"{server.url}/readyz") as response:
        return response.status, await response.json()


async def until(server: Api, status: int, part: str, works: bool) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            found, told = await readiness(server)
            if (found, told["parts"][part]) == (status, works):
                return told
            await asyncio.sleep(0.1)


async def test_full_disk_is_not_ready_and_names_the_setting(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", mib=32) as disk:
        async with api(redis_url, disk.folder) as server:
            assert (await readiness(server))[0] == 200
            disk.fill()
            told = await until(server, 503, "storage", works=False)
            words = "IMGEN_DATA_DIR: no picture can be stored there: No space left on device"
            assert told["reasons"]["storage"] == words
            disk.free()
            assert "storage" not in (await until(server, 200, "storage", works=True))["reasons"]


async def test_read_only_redis_is_not_ready_and_names_the_setting(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        assert (await readiness(server))[0] == 200
        await redis.replicaof("127.0.0.1", free_port())
        try:
            told = await until(server, 503, "redis", works=False)
        finally:
            await redis.replicaof("NO", "ONE")
        assert told["reasons"]["redis"].startswith("IMGEN_REDIS_URL: that Redis is a read-only replica")
        await until(server, 200, "redis", works=True)


@pytest.mark.s3
async def test_job_is_in_progress_while_the_store_is_away_and_finished_when_it_is_back(
    redis: "Redis", redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    store = rclone_part(tmp_path / "s3", free_port())
    settings = {
        "s3_bucket": BUCKET,
        "s3_endpoint": store.url.replace("s3.test", "127.0.0.1"),
        "s3_addressing": "path",
        "job_attempts": 2,
    }
    async with running(store, tmp_path):
        async with api(redis_url, tmp_path, **settings) as server:
            assert (await server.finished())["status"] == "COMPLETED"
            assert (await readiness(server))[0] == 200
    async with api(redis_url, tmp_path, **settings) as server:
        job = await server.generate()
        told = await until(server, 503, "storage", works=False)
        assert told["reasons"]["storage"].startswith("IMGEN_S3_ENDPOINT: nothing answers there")
        async with asyncio.timeout(30):
            while not server.triton.orders:
                await asyncio.sleep(0.02)
        for _ in range(2):  # as long as readiness' answers count
            assert (await server.status(job["id"]))["status"] == "IN_PROGRESS"
            await until(server, 503, "storage", works=False)
        async with running(store, tmp_path):
            assert (await server.until(job["id"]))["status"] == "COMPLETED"
            await until(server, 200, "storage", works=True)
        assert len(server.triton.orders) == 1


async def test_flood_of_readiness_is_a_write_every_few_seconds(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:

        async def writes() -> int:
            stats: dict[str, Any] = await redis.info("commandstats")
            return int(stats.get("cmdstat_set", {"calls": 0})["calls"])

        characters = len(server.services.catalogue.declared.characters)
        while await redis.hlen(AUDIT_CHARACTERS) < characters:  # told once, at the start
            await asyncio.sleep(0.02)
        before = await writes()
        for _ in range(5):
            assert {
                status for status, _ in await asyncio.gather(*(readiness(server) for _ in range(40)))
            } == {200}
        assert await writes() - before <= 2
