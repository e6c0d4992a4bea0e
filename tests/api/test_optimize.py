"""Several keys ask one language model, which writes one answer at a time and lets few requests wait."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.keys.api_keys import Keys
from tests.api.harness import Api, api
from tests.fakes import listening

PLACES = 9  # as many as the packaged one has: one at work, eight waiting


@dataclass
class SlowLlm:
    """Answers one request after the other, each when told to."""

    url: str = ""
    inside: int = 0
    ideas: list[str] = field(default_factory=list)  # as they were answered
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    writer: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        idea = (await request.json())["messages"][-1]["content"]
        if self.inside == PLACES:
            return web.json_response({"error": {"message": "too many requests are waiting"}}, status=429)
        self.inside += 1
        try:
            async with self.writer:
                await self.go.acquire()
                self.ideas.append(idea)
        finally:
            self.inside -= 1
        return web.json_response({"choices": [{"message": {"role": "assistant", "content": idea}}]})

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["SlowLlm"]:
        app, port = web.Application(), free_port()
        app.router.add_post("/v1/chat/completions", self.complete)
        self.url = f"http://127.0.0.1:{port}/v1"
        async with listening(app, port):
            yield self


async def optimized(server: Api, key: str, idea: str) -> tuple[int, dict[str, Any], str | None]:
    asked = server.http.post(
        f"{server.url}/api/v2",
        json={"action": "optimize", "prompt": idea},
        headers={"Authorization": f"Bearer {key}"},
    )
    async with asked as response:
        return response.status, await response.json(), response.headers.get("Retry-After")


async def test_key_that_asks_endlessly_keeps_no_other_key_waiting(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    """Where it lies in the queue is told in tests/frontend/common/test_fair_limiter.py."""
    many = {"workers": 0, "key_prompts_per_minute": 1_000_000}
    async with SlowLlm().running() as llm, api(redis_url, tmp_path, llm_url=llm.url, **many) as server:
        _, other = await Keys(redis).create("other")
        refused: list[tuple[dict[str, Any], str | None]] = []

        async def ask_for_ever(number: int) -> None:
            while True:
                status, words, later = await optimized(server, server.key, f"lake {number}")
                if status != 200:
                    refused.append((words, later))

        greedy = [asyncio.create_task(ask_for_ever(number)) for number in range(30)]
        try:
            async with asyncio.timeout(60):
                while not (refused and llm.inside):
                    await asyncio.sleep(0.01)
                patient = asyncio.create_task(optimized(server, other, "a harbour"))
                while not patient.done():
                    llm.go.release()
                    await asyncio.sleep(0.01)
            assert (await patient)[:2] == (200, {"prompt": "a harbour"})
        finally:
            for task in greedy:
                task.cancel()
            await asyncio.gather(*greedy, return_exceptions=True)
            for _ in range(50):
                llm.go.release()  # what is still at work can end
        assert all(words == {"error": "Too many prompts of this key are waiting"} for words, _ in refused)
        assert all(int(later or 0) > 0 for _, later in refused)


async def test_weights_survive_and_what_is_left_out_is_told(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with SlowLlm().running() as llm, api(redis_url, tmp_path, llm_url=llm.url, workers=0) as server:
        llm.go.release()
        status, answer, _ = await optimized(
            server, server.key, "(a lake:1.3) in the [morning], <lora:x:1>, -(rain:1.2)"
        )
    assert llm.ideas == ["a lake in the morning"]
    assert (status, answer["prompt"]) == (200, "(a lake:1.3) in the (morning:0.9091), -(rain:1.2)")
    (note,) = answer["notes"]
    assert note.startswith('"<lora:x:1>" is left out')
