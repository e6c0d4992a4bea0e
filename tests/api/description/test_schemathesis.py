"""The server does what /openapi.json says, as schemathesis finds it out with requests of its own."""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.keys.api_keys import Keys
from frontend.keys.webhook_secrets import WebhookSecretStore
from tests.api.harness import api
from tests.fakes import listening

HERE = Path(__file__).parent
ENDLESS = {"verify_per_minute": 1_000_000, "key_orders_per_minute": 1_000_000, "key_jobs_limit": 100_000}


async def echo(request: web.Request) -> web.Response:
    """A language model without ideas."""
    said = (await request.json())["messages"][-1]["content"]
    return web.json_response({"choices": [{"message": {"role": "assistant", "content": said}}]})


async def test_schemathesis_finds_no_difference(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    llm, port = web.Application(), free_port()
    llm.router.add_post("/v1/chat/completions", echo)
    url = f"http://127.0.0.1:{port}/v1"
    async with listening(llm, port), api(redis_url, tmp_path, llm_url=url, **ENDLESS) as server:
        (key,) = await Keys(redis).all()
        await WebhookSecretStore(redis).add(key)
        job = await server.generate()
        state = await server.until(job["id"])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"),
            *(f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {server.key}"),
            cwd=tmp_path,
            env={
                **os.environ,
                "SCHEMATHESIS_HOOKS": "tests.api.description.hooks",
                "PYTHONPATH": str(Path.cwd()),
                "IMGEN_TEST_JOB": job["id"],
                "IMGEN_TEST_LINK": state["meta"]["images"][0]["url"],
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        assert process.returncode == 0, told.decode()
        assert "WARNINGS" not in told.decode(), told.decode()
