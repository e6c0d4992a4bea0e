import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from embedded.part import free_port
from llm.server import MAX_BODY_BYTES, build_app
from llm.write_request import MAX_TOKENS, WriteRequest, WrittenText
from tests.hostile_log import EVIL, send_all, unprintable

IDEA = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "old lighthouse,\n storm"}]


@dataclass
class Pen:
    """TextWriter when it is let to, and keeps what it was asked."""

    may_write: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    asked: list[WriteRequest] = field(default_factory=list)
    stopped: int = 0
    at_once: int = 0
    breaks: bool = False

    def write(self, ask: WriteRequest, stop: threading.Event) -> WrittenText:
        self.at_once += 1
        assert self.at_once == 1, "two at a time"
        self.asked.append(ask)
        self.started.set()
        try:
            while not self.may_write.wait(0.01):
                if stop.is_set():
                    self.stopped += 1
                    return WrittenText(ask.idea, 1, 0, False)
            if self.breaks:
                raise RuntimeError("a secret prompt")
            return WrittenText(f"{ask.idea}, stormy sea", 200, 5, True)
        finally:
            self.at_once -= 1


@dataclass(frozen=True)
class Server:
    url: str
    pen: Pen
    http: aiohttp.ClientSession

    async def post(self, body: Any) -> tuple[int, dict[str, Any]]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(f"{self.url}/v1/chat/completions", data=data) as response:
            return response.status, await response.json()


@contextlib.asynccontextmanager
async def serving(waiting: int = 1, *, open_pen: bool = True) -> AsyncIterator[Server]:
    pen = Pen()
    if open_pen:
        pen.may_write.set()
    runner = web.AppRunner(build_app(pen, waiting), handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with aiohttp.ClientSession() as http:
        try:
            yield Server(f"http://127.0.0.1:{port}", pen, http)
        finally:
            pen.may_write.set()
            await runner.cleanup()


async def test_answer_has_the_shape_of_a_chat_completion() -> None:
    async with serving() as server:
        status, answer = await server.post({"messages": IDEA, "seed": 7, "temperature": 0, "max_tokens": 9})
    assert status == 200
    assert answer["object"] == "chat.completion"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "old lighthouse, storm, stormy sea"},
            "finish_reason": "stop",
        }
    ]
    assert answer["usage"] == {"prompt_tokens": 200, "completion_tokens": 5, "total_tokens": 205}
    assert server.pen.asked == [WriteRequest("old lighthouse, storm", max_tokens=9, temperature=0, seed=7)]


async def test_wishes_beyond_the_limits_are_bounded() -> None:
    async with serving() as server:
        for seed in (-1, 2**62, None):
            await server.post({"messages": IDEA, "seed": seed, "max_tokens": 100_000})
    assert all(0 <= ask.seed < 2**32 - 1 and ask.max_tokens == MAX_TOKENS for ask in server.pen.asked)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        {},
        {"messages": "a tree"},
        {"messages": []},
        {"messages": [{"role": "system", "content": "a tree"}]},
        {"messages": [{"role": "user", "content": " , \n"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a tree"}]}]},
        {"messages": [7, None]},
        {"messages": IDEA, "stream": True},
        {"messages": IDEA, "temperature": 3},
        {"messages": IDEA, "temperature": "hot"},
        {"messages": IDEA, "max_tokens": 0},
        {"messages": IDEA, "seed": True},
        b'{"messages":[{"role":"user","content":"a"}],"temperature":NaN}',
    ],
)
async def test_body_that_makes_no_sense_is_refused(body: Any) -> None:
    async with serving() as server:
        status, answer = await server.post(body)
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert server.pen.asked == []


async def test_too_large_a_body_is_refused() -> None:
    async with serving() as server:
        async with server.http.post(
            f"{server.url}/v1/chat/completions", data=b" " * (MAX_BODY_BYTES + 1)
        ) as response:
            assert response.status == 413


async def test_one_is_written_at_a_time_and_too_many_are_turned_away() -> None:
    async with serving(waiting=1, open_pen=False) as server:
        first = asyncio.create_task(server.post({"messages": IDEA}))
        await asyncio.to_thread(server.pen.started.wait, 10)
        others = [asyncio.create_task(server.post({"messages": IDEA})) for _ in range(3)]
        done, waiting = await asyncio.wait(others, timeout=10, return_when=asyncio.FIRST_COMPLETED)
        while len(done) < 2:
            more, waiting = await asyncio.wait(waiting, timeout=10, return_when=asyncio.FIRST_COMPLETED)
            assert more
            done |= more
        assert {task.result()[0] for task in done} == {429}
        server.pen.may_write.set()
        assert (await first)[0] == 200
        assert [(await task)[0] for task in waiting] == [200]
    assert len(server.pen.asked) == 2


async def test_client_that_goes_away_stops_the_writing() -> None:
    async with serving(waiting=0, open_pen=False) as server:
        gone = asyncio.create_task(server.post({"messages": IDEA}))
        await asyncio.to_thread(server.pen.started.wait, 10)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        async with asyncio.timeout(10):
            while not server.pen.stopped:
                await asyncio.sleep(0.01)
        server.pen.may_write.set()
        async with asyncio.timeout(10):
            while (await server.post({"messages": IDEA}))[0] == 429:
                await asyncio.sleep(0.01)


async def test_failure_is_told_without_its_reason() -> None:
    async with serving() as server:
        server.pen.breaks = True
        status, answer = await server.post({"messages": IDEA})
        assert (status, answer["error"]["message"]) == (500, "writing failed")
        server.pen.breaks = False
        assert (await server.post({"messages": IDEA}))[0] == 200


async def test_nothing_of_a_strangers_in_the_log_is_a_command_to_a_terminal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        async with serving() as server:
            for body in (
                {"messages": [{"role": "user", "content": EVIL}]},
                {"messages": [{"role": EVIL}], EVIL: 1},
                {"messages": IDEA, "seed": EVIL},
                EVIL.encode(),
            ):
                await server.post(body)
            port = URL(server.url).port
            assert port
            await send_all(port, "/v1/chat/completions", "/nowhere")
            server.pen.breaks = True
            await server.post({"messages": IDEA})
    assert "writing failed" in caplog.text
    assert not unprintable(caplog.records)


async def test_models_and_health_answer_while_it_writes() -> None:
    async with serving(open_pen=False) as server:
        first = asyncio.create_task(server.post({"messages": IDEA}))
        await asyncio.to_thread(server.pen.started.wait, 10)
        for path in ("/v1/models", "/healthz"):
            async with server.http.get(server.url + path) as response:
                assert response.status == 200
        server.pen.may_write.set()
        await first
