"""One version takes the place of the other under load, forth and back, on one Redis."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from embedded.frontend import frontend_part
from embedded.part import free_port, running
from frontend.keys.api_keys import Keys
from frontend.settings import ROOT, Settings
from tests.fakes import FakeAcs
from tests.system.release import last_release
from tests.triton_server import RunningTriton

CLIENTS, PATIENCE_S = 2, 600
FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")


@dataclass
class Fleet:
    """Servers of both versions, and clients that know all of those that are up."""

    redis_url: str
    triton: RunningTriton
    acs: FakeAcs
    folder: Path
    key: str
    http: aiohttp.ClientSession
    urls: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    stopping: bool = False

    @contextlib.asynccontextmanager
    async def server(self, checkout: Path) -> AsyncIterator[str]:
        port = free_port()
        # One folder: the key of the marks and the pictures are those of one system.
        settings = Settings(port=port, data_dir=self.folder / "data")
        environment = {
            "IMGEN_REDIS_URL": self.redis_url,
            "IMGEN_TRITON_URLS": self.triton.url,
            "IMGEN_ACS_URL": self.acs.url,
            "IMGEN_CATALOGUE_DIR": str(ROOT / "demo" / "catalogue"),
            "IMGEN_WORKERS": "1",
            "PYTHONPATH": str(checkout),
        }
        part = frontend_part(settings, environment)
        command = (sys.executable, "-P", "-m", "cli.main", "serve")  # of PYTHONPATH, not of this folder
        part = replace(part, name=f"frontend-{port}", command=command)
        async with running(part, self.folder):
            self.urls.append(part.url)
            yield part.url
            self.urls.remove(part.url)  # as a balancer does before it is stopped
            await asyncio.sleep(0)

    async def post(self, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        """To one server after the other, as a balancer that takes those that answer."""
        for url in [*self.urls[len(self.jobs) % len(self.urls) :], *self.urls]:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                headers = {"Authorization": f"Bearer {self.key}"}
                async with self.http.post(f"{url}/api/v2", json=body, headers=headers) as answer:
                    return answer.status, await answer.json()
        raise AssertionError("no server answers")

    async def client(self, number: int) -> None:
        """Orders picture after picture, and sees each of them to its end."""
        count = 0
        while not self.stopping:
            count += 1
            order = {"prompt": "a red car on the beach", "seed": 1000 * number + count}
            code, job = await self.post({"action": "generate", **order})
            assert code == 200, job
            self.jobs.append(str(job["id"]))
            while True:
                code, state = await self.post({"action": "status", "id": job["id"]})
                assert code == 200, state
                if state["status"] in FINAL:
                    break
                await asyncio.sleep(0.1)
            assert state["status"] == "COMPLETED", state

    async def until_more(self, jobs: int) -> None:
        wanted = len(self.jobs) + jobs
        while len(self.jobs) < wanted:
            await asyncio.sleep(0.1)


async def test_no_request_fails_and_no_job_is_lost_while_versions_change(
    redis: "Redis", redis_url: str, demo_triton: RunningTriton, tmp_path: Path
) -> None:
    before = last_release(tmp_path)
    _, secret = await Keys(redis).create("studio")
    (tmp_path / "data").mkdir()
    async with (
        FakeAcs().running() as acs,
        aiohttp.ClientSession() as http,
        asyncio.timeout(PATIENCE_S),
    ):
        fleet = Fleet(redis_url, demo_triton, acs, tmp_path, secret, http)
        async with contextlib.AsyncExitStack() as new:
            async with fleet.server(before), asyncio.TaskGroup() as clients:
                for number in range(CLIENTS):
                    clients.create_task(fleet.client(number))
                await fleet.until_more(CLIENTS)
                await new.enter_async_context(fleet.server(ROOT))
                await fleet.until_more(2 * CLIENTS)  # side by side
                fleet.stopping = True
            async with asyncio.TaskGroup() as clients:
                fleet.stopping = False
                for number in range(CLIENTS):
                    clients.create_task(fleet.client(CLIENTS + number))
                await fleet.until_more(CLIENTS)  # the new one alone
                fleet.stopping = True
    assert len(set(fleet.jobs)) == len(fleet.jobs)
    for job in fleet.jobs:
        assert await redis.hget(f"imgen:job:{job}", "state") == b"COMPLETED"
