"""A whole API server in this process: real Redis, storage and finishing; Triton and ACS are fakes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.actions.context import SERVICES, Services
from frontend.app import build_app
from frontend.common.redis_connection import connect
from frontend.http.listener import listening
from frontend.inference.client import Inference
from frontend.invisible_mark.keys import InvisibleKeys, load_keys
from frontend.keys.api_keys import Keys
from frontend.settings import Settings
from tests.fakes import FakeAcs, FakeTriton

PROMPT = "@aya reading a book under a tree, warm lighting, -rain"
FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")


class RealTriton:
    """A running one in the fake's place."""

    def __init__(self, url: str) -> None:
        self._url = url

    @contextlib.asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Inference]:
        async with Inference([self._url], timeout_s=60).running() as inference:
            yield inference


@dataclass(frozen=True)
class Api:
    """A client with a key, and the two ends of the server that a test may turn."""

    url: str
    key: str
    http: aiohttp.ClientSession
    triton: FakeTriton
    acs: FakeAcs
    services: Services
    settings: Settings
    redis: "Redis"

    async def post(self, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with self.http.post(f"{self.url}/api/v2", json=body, headers=sent) as response:
            return response.status, await response.json()

    async def generate(self, **fields: Any) -> dict[str, Any]:
        status, job = await self.post({"action": "generate", "prompt": PROMPT, **fields})
        assert status == 200, job
        return job

    async def status(self, job_id: str) -> dict[str, Any]:
        code, state = await self.post({"action": "status", "id": job_id})
        assert code == 200, state
        return state

    async def until(self, job_id: str, *states: str) -> dict[str, Any]:
        """Polls, for at most a minute, until the job is in one of `states` (default: a terminal one)."""
        async with asyncio.timeout(60):
            while (state := await self.status(job_id))["status"] not in (states or FINAL):
                await asyncio.sleep(0.02)
        return state

    async def finished(self, **fields: Any) -> dict[str, Any]:
        job = await self.generate(**fields)
        return await self.until(job["id"])


@contextlib.asynccontextmanager
async def api(redis_url: str, folder: Path, **changes: Any) -> AsyncIterator[Api]:
    triton = changes.pop("triton", None) or FakeTriton()
    async with contextlib.AsyncExitStack() as stack:
        acs = await stack.enter_async_context(FakeAcs().running())
        settings = Settings(
            port=free_port(),
            data_dir=folder,
            redis_url=redis_url,
            acs_url=acs.url,
            triton_urls=("unused:1",),
            fetch_timeout_s=0.2,
        )
        settings = replace(settings, **changes)
        redis = connect(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        _, secret = await Keys(redis).create("test")
        app = build_app(settings, triton.opened)
        await stack.enter_async_context(listening(app, settings.host, settings.port, settings, drain_s=0.5))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{settings.port}"
        yield Api(url, secret, http, triton, acs, app[SERVICES], settings, redis)


def invisible_keys(server: Api) -> InvisibleKeys:
    """Those that the server laid its marks with."""
    return load_keys(server.settings.mark_key, server.settings.data_dir)
