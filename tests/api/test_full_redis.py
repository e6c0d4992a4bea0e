"""A Redis at its maxmemory takes no new jobs, and what was accepted is finished."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.app import build_app
from tests.api.harness import PROMPT, Api, api
from tests.fakes import FakeTriton, listening


@pytest.fixture
async def redis_with_bound(redis: "Redis") -> AsyncIterator["Redis"]:
    """A test sets its maxmemory."""
    yield redis
    await redis.config_set("maxmemory", 0)


async def fill(redis: "Redis", share: float) -> None:
    """As if `share` of what Redis may hold were in use; over 1: it refuses to hold more."""
    memory: dict[str, Any] = await redis.info("memory")
    await redis.config_set("maxmemory", int(memory["used_memory"] / share))


async def order(server: Api, **fields: Any) -> tuple[int, Any, int]:
    body = {"action": "generate", "prompt": PROMPT, **fields}
    headers = {"Authorization": f"Bearer {server.key}"}
    async with server.http.post(f"{server.url}/api/v2", json=body, headers=headers) as response:
        return response.status, await response.json(), int(response.headers.get("Retry-After", 0))


async def until_refused(server: Api) -> tuple[int, Any, int]:
    async with asyncio.timeout(20):
        while (answer := await order(server))[0] == 200:
            await asyncio.sleep(0.05)
    return answer


@pytest.mark.parametrize("share", [0.95, 2.0])
async def test_orders_are_refused_and_what_was_accepted_is_finished_and_reviewed(
    redis_with_bound: "Redis", redis_url: str, tmp_path: Path, share: float
) -> None:
    triton = FakeTriton()
    triton.gate.clear()
    async with api(redis_url, tmp_path, triton=triton, workers=1) as server:
        waiting = [(await server.generate())["id"] for _ in range(3)]
        cancelled = (await server.generate())["id"]
        await server.until(waiting[0], "IN_PROGRESS")
        await fill(redis_with_bound, share)
        status, words, later = await until_refused(server)
        assert (status, words) == (503, {"error": "Server is full"})
        assert later > 0
        assert (await order(server, use_cache=True, cache_force=True))[0] == 503
        assert (await server.post({"action": "cancel", "id": cancelled}))[0] == 200
        triton.gate.set()
        for job in waiting:
            assert (await server.until(job))["status"] == "COMPLETED"
        await redis_with_bound.config_set("maxmemory", 0)
        async with asyncio.timeout(20):
            while (await order(server))[0] != 200:
                await asyncio.sleep(0.05)


async def test_order_that_redis_itself_refuses_is_told_when_to_come_again(
    redis_with_bound: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        await fill(redis_with_bound, 2.0)  # nobody has looked since
        assert (await order(server))[:2] == (503, {"error": "Server is full"})


async def test_server_starts_beside_a_full_redis_and_says_so(
    redis_with_bound: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        job = (await server.generate())["id"]
        await fill(redis_with_bound, 2.0)
        settings = replace(server.settings, workers=1, port=free_port())
        async with listening(build_app(settings, server.triton.opened), settings.port):
            assert (await server.until(job))["status"] == "COMPLETED"
            async with server.http.get(f"http://127.0.0.1:{settings.port}/readyz") as response:
                (warning,) = (await response.json())["warnings"]
        assert "maxmemory" in warning


async def test_redis_that_drops_keys_is_told(
    redis_with_bound: "Redis", redis_url: str, tmp_path: Path
) -> None:
    await redis_with_bound.config_set("maxmemory-policy", "allkeys-lru")
    try:
        async with api(redis_url, tmp_path, workers=0) as server:
            async with server.http.get(f"{server.url}/readyz") as response:
                assert "noeviction" in str((await response.json())["warnings"])
    finally:
        await redis_with_bound.config_set("maxmemory-policy", "noeviction")
