"""Servers that answer clients, servers that draw, and how each of them stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from contract.redis_keys import JOB_PREFIX
from embedded.frontend import frontend_part
from embedded.part import free_port, start
from frontend.actions.context import OPERATED, Operated
from frontend.app import build_worker_app
from frontend.http.listener import listening
from frontend.keys.api_keys import Keys
from frontend.serve import drain
from frontend.settings import Settings
from tests.api.harness import Api, api
from tests.fakes import FakeTriton

PATIENCE_S = 60.0


@dataclass(frozen=True)
class Worker:
    url: str
    triton: FakeTriton
    services: Operated
    settings: Settings


@contextlib.asynccontextmanager
async def worker(server: Api, **changes: Any) -> AsyncIterator[Worker]:
    """One that draws what `server` accepts."""
    triton, port = FakeTriton(), free_port()
    settings = replace(server.settings, role="worker", **changes)
    app = build_worker_app(settings, triton.opened)
    async with listening(app, "127.0.0.1", port, settings, drain_s=0.5):
        yield Worker(f"http://127.0.0.1:{port}", triton, app[OPERATED], settings)


async def until_drawn(triton: FakeTriton) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not triton.orders:
            await asyncio.sleep(0.01)


async def test_one_server_accepts_what_another_draws(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, role="api") as server:
        job = await server.generate()
        async with server.http.get(f"{server.url}/readyz") as response:
            assert response.status == 200
        async with worker(server) as drawing:
            assert (await server.until(job["id"]))["status"] == "COMPLETED"
            assert not server.triton.orders and len(drawing.triton.orders) == 1
            statuses = []
            for path in ("/healthz", "/readyz", "/metrics", "/api/v2", "/docs", "/"):
                async with server.http.get(f"{drawing.url}{path}") as response:
                    statuses.append(response.status)
            assert statuses == [200, 200, 200, 404, 404, 404]
        await server.generate(prompt="another one")
        assert not server.triton.orders


async def test_worker_that_drains_takes_nothing_and_ends_once_its_jobs_are_made(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, role="api") as server:
        async with worker(server, drain_s=PATIENCE_S) as drawing:
            drawing.triton.gate.clear()
            begun = await server.generate()
            await until_drawn(drawing.triton)
            draining = asyncio.create_task(drain(drawing.services, drawing.settings, asyncio.Event()))
            async with asyncio.timeout(PATIENCE_S):
                while not drawing.services.gate.leaving:
                    await asyncio.sleep(0.01)
            async with server.http.get(f"{drawing.url}/readyz") as response:
                assert response.status == 503 and not (await response.json())["parts"]["accepting"]
            late = await server.generate(prompt="too late for this worker")
            drawing.triton.gate.set()
            async with asyncio.timeout(PATIENCE_S / 2):
                await draining
        assert (await server.until(begun["id"]))["status"] == "COMPLETED"
        assert (await server.status(late["id"]))["status"] == "IN_QUEUE"
        assert len(drawing.triton.orders) == 1


async def test_jobs_that_are_not_made_in_time_are_handed_back_uncharged(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, role="api") as server:
        async with worker(server, drain_s=0.1) as drawing:
            drawing.triton.gate.clear()
            job = await server.generate()
            await until_drawn(drawing.triton)
            await drain(drawing.services, drawing.settings, asyncio.Event())
        assert (await server.status(job["id"]))["status"] == "IN_QUEUE"
        assert await redis.hget(f"{JOB_PREFIX}{job['id']}", "charged") == b"0"
        async with worker(server):
            assert (await server.until(job["id"]))["status"] == "COMPLETED"


async def test_second_signal_ends_the_drain_at_once(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, drain_s=3_600.0) as server:
        stop = asyncio.Event()
        draining = asyncio.create_task(drain(server.services, server.settings, stop))
        async with asyncio.timeout(PATIENCE_S):
            while not server.services.gate.leaving:
                await asyncio.sleep(0.01)
            assert (await server.generate())["id"]  # balancers may not know yet
            stop.set()
            await draining
        status, told = await server.post({"action": "generate", "prompt": "x"})
        assert (status, told["error"]) == (503, "Server is shutting down")


@pytest.mark.system
@pytest.mark.parametrize("role", ["all", "worker"])
async def test_operators_of_a_process_see_it_leave_before_it_is_gone(
    redis: "Redis", redis_url: str, tmp_path: Path, role: str
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    own = free_port()
    settings = Settings(port=free_port(), data_dir=tmp_path)
    environment = {
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_TRITON_URLS": nobody,
        "IMGEN_ACS_URL": f"http://{nobody}",
        "IMGEN_OPERATORS_ADDRESS": f"127.0.0.1:{own}",
        "IMGEN_ROLE": role,
        "IMGEN_DRAIN_S": "3600" if role == "all" else "0.2",
    }
    part = frontend_part(settings, environment)
    if role == "worker":  # which does not listen where clients would ask
        part = replace(part, listens_at=own, ready=lambda: _answers(f"http://127.0.0.1:{own}/healthz"))
    process = await start(part, tmp_path)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
            if role == "all":
                await _see_it_leave(http, redis, settings.port, own, process)
            process.terminate()
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answers(url: str) -> bool:
    try:
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


async def _see_it_leave(
    http: aiohttp.ClientSession, redis: "Redis", port: int, own: int, process: asyncio.subprocess.Process
) -> None:
    """Up to the first signal and what follows from it; the next one ends the drain."""
    _, secret = await Keys(redis).create("test")
    headers = {"Authorization": f"Bearer {secret}"}
    order = {"action": "generate", "prompt": "a lighthouse"}
    url = f"http://127.0.0.1:{port}"
    async with http.post(f"{url}/api/v2", json=order, headers=headers) as response:
        job = await response.json()
    async with http.get(f"{url}/api/v2/jobs/{job['id']}/events", headers=headers) as stream:
        await stream.content.readuntil(b"\n\n")
        process.terminate()
        while True:
            async with http.get(f"http://127.0.0.1:{own}/readyz") as response:
                if not (await response.json())["parts"]["accepting"]:
                    break
            await asyncio.sleep(0.02)
        async with http.post(f"{url}/api/v2", json=order | {"prompt": "a pier"}, headers=headers) as response:
            assert response.status == 200
        process.terminate()
        rest = await stream.content.read()
        assert b"retry: " in rest
