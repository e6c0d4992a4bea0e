"""A fleet of one machine: Tritons that take a GPU's time, servers of both roles, a reviewer who says yes."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from embedded.frontend import frontend_part
from embedded.part import SystemPart, free_port, running
from embedded.redis import redis_part
from embedded.triton import triton_part
from frontend.common.redis_connection import connect
from frontend.keys.api_keys import Keys
from frontend.settings import ROOT, Settings
from perf.processes import cpu_seconds, descendants
from perf.system import BenchError

MODELS = Path(__file__).with_name("models")
WORKERS_EACH = 16  # jobs that one worker process has at work at most; what Tritons can hold bounds them first


@dataclass(frozen=True)
class SimulatedFleet:
    urls: tuple[str, ...]  # of the API servers
    key: str
    http: aiohttp.ClientSession
    redis: Any
    pids: Mapping[str, tuple[int, ...]]  # by role

    async def draw(self, number: int) -> dict[str, Any]:
        """One picture, waited for on the connection; the servers take turns."""
        headers = {"Authorization": f"Bearer {self.key}", "Prefer": "wait=60"}
        body = {"action": "generate", "prompt": "a red car on the beach", "seed": number}
        url = self.urls[number % len(self.urls)]
        async with self.http.post(f"{url}/api/v2", json=body, headers=headers) as answer:
            told: dict[str, Any] = await answer.json()
            return told

    def cpu_s(self) -> dict[str, float]:
        """That each role's processes have used so far, what they started included."""
        return {
            role: sum(cpu_seconds(each) for pid in pids for each in (pid, *descendants(pid)))
            for role, pids in self.pids.items()
        }

    async def poll(self, number: int, job: str) -> None:
        """Raises BenchError where there is no such job."""
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"action": "status", "id": job}
        url = self.urls[number % len(self.urls)]
        async with self.http.post(f"{url}/api/v2", json=body, headers=headers) as answer:
            if (await answer.json()).get("status") != "COMPLETED":
                raise BenchError(f"a poll was answered {answer.status}")

    async def redis_spent(self) -> "RedisSpent":
        told: dict[str, Any] = await self.redis.info("everything")
        calls = {name: each for name, each in told.items() if name.startswith("cmdstat_")}
        return RedisSpent(
            commands=sum(int(each["calls"]) for each in calls.values()),
            cpu_s=cpu_seconds(self.pids["redis"][0]),
            sent=int(told["total_net_input_bytes"]) + int(told["total_net_output_bytes"]),
            held=int(told["used_memory"]),
        )


@dataclass(frozen=True)
class RedisSpent:
    """Since it was started."""

    commands: int  # those inside scripts included
    cpu_s: float
    sent: int  # bytes, both ways
    held: int  # bytes, now


@contextlib.asynccontextmanager
async def fleet_up(
    folder: Path, *, tritons: int, servers: int, seconds: float, slots: int
) -> AsyncIterator[SimulatedFleet]:
    """`seconds` of a picture on a simulated GPU, `slots` pictures of each at a time. Raises PartError."""
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        store = redis_part(folder)
        await enter(running(store, folder))
        redis = connect(store.url)
        stack.push_async_callback(redis.aclose)
        acs = await enter(reviewer())
        places = [folder / f"triton-{number}" for number in range(tritons)]
        parts = [sleeping_triton(place, seconds, slots) for place in places]
        for part, place in zip(parts, places, strict=True):
            await enter(running(part, place))
        (folder / "data").mkdir()
        shared = {
            "IMGEN_REDIS_URL": store.url,
            "IMGEN_TRITON_URLS": ",".join(part.url for part in parts),
            "IMGEN_ACS_URL": acs,
            "IMGEN_WORKERS": str(WORKERS_EACH),
            "IMGEN_KEY_JOBS_LIMIT": "1000",
            "IMGEN_KEY_ORDERS_PER_MINUTE": "1000000",
            "IMGEN_KEY_POLLS_PER_S": "1000000",
            "IMGEN_STREAMS_LIMIT": "2000",
            "IMGEN_MAX_CONNECTIONS": "4000",
            "IMGEN_CATALOGUE_DIR": str(ROOT / "demo" / "catalogue"),
        }
        _, secret = await Keys(redis).create("bench")
        pids: dict[str, tuple[int, ...]] = {}
        urls: list[str] = []
        for role in ("api", "worker"):
            for number in range(servers):
                settings = Settings(port=free_port(), data_dir=folder / "data")
                part = frontend_part(settings, {**shared, "IMGEN_ROLE": role})
                part = replace(part, name=f"{role}-{number}")
                process = await enter(running(part, folder))
                pids[role] = (*pids.get(role, ()), process.pid)
                if role == "api":
                    urls.append(part.url)
        told: dict[str, Any] = await redis.info("server")
        pids["redis"] = (int(told["process_id"]),)
        http = await enter(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        yield SimulatedFleet(tuple(urls), secret, http, redis, pids)


def sleeping_triton(folder: Path, seconds: float, slots: int, port: int | None = None) -> SystemPart:
    """`port`: as of triton_part."""
    folder.mkdir()
    real = triton_part(data_dir=folder, repositories=[ROOT / "demo" / "models"], port=port)
    options = ("--model-repository=", "--load-model=")
    kept = [word for word in real.command if not word.startswith(options)]
    ours = [f"--model-repository={MODELS}", "--load-model=text_to_image", "--load-model=model_control"]
    environment = {**real.environment, "SCALE_SECONDS": str(seconds), "SCALE_SLOTS": str(slots)}
    return replace(real, command=(*kept, *ours), environment=environment)


@contextlib.asynccontextmanager
async def reviewer() -> AsyncIterator[str]:
    """It fetches each picture, as a real one would, looks at nothing, and takes no time besides."""

    async def review(request: web.Request) -> web.Response:
        body = await request.json()
        try:
            async with http.get(body["image_url"]) as picture:
                digest = hashlib.sha256(await picture.read()).hexdigest()
        except aiohttp.ClientError:
            return web.json_response({}, status=502)
        verdict = {"compliance": "safe", "codes": [], "categories": [], "sha256": digest}
        return web.json_response(verdict)

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({})

    app, port = web.Application(), free_port()
    app.add_routes([web.post("/v1/reviews", review), web.get("/healthz", ready)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        async with aiohttp.ClientSession() as http:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()
