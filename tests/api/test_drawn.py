"""What is drawn is what was reviewed: the bytes that reach Triton beside those that reach the reviewer."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from frontend.inference.client import Inference
from frontend.settings import Settings
from tests.api.harness import Api, api
from tests.api.test_cache import asked, made
from tests.frontend.inference import test_client as grpc_servers
from tests.frontend.prompts import test_enhancer as llm_servers

TEXTS = ("prompt", "negative", "model", "character")


@dataclass
class TritonOverGrpc:
    """The server's own client, and at its other end a Triton that draws grey and keeps every byte."""

    requests: list[dict[str, bytes]] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Inference]:
        async with grpc_servers.serving(self._draw) as (fake,), grpc_servers.client(fake.url) as inference:
            yield inference

    async def _draw(self, request: Any, context: Any) -> grpc_servers.Responses:
        raw = dict(zip((item.name for item in request.inputs), request.raw_input_contents, strict=True))
        self.requests.append({name: raw[name][4:] for name in TEXTS})  # after their length
        height, width = (int(np.frombuffer(raw[name], np.int32)[0]) for name in ("height", "width"))
        yield grpc_servers.picture(np.full((height, width, 3), 128, np.uint8))


class DrawnBench:
    """No data class: hypothesis would write out every byte of it where an example fails."""

    def __init__(self, server: Api, triton: TritonOverGrpc, llm: llm_servers.Llm) -> None:
        self.server, self.triton, self.llm = server, triton, llm


@pytest.fixture
async def bench(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[DrawnBench]:
    triton = TritonOverGrpc()
    async with (
        llm_servers.serving(llm_servers.says("")) as llm,
        api(redis_url, tmp_path, triton=triton, llm_url=llm.url) as server,
    ):
        yield DrawnBench(server, triton, llm)


words = st.sampled_from(
    [
        "a red car",
        "gore",
        "anything",
        "a quiet lake",
        "without rain",
        "x-ray",
        "é",
        "— fog",
        "'s",
        "(sun:1.2)",
        "[fog], ((sun))",
        "a lake BREAK a tree",
        "<lora:x:1> [dog|cat]",
        "saber_(fate) :)",
        "lake --no fog --ar 1:1",
    ]
)
terms = st.lists(st.tuples(st.sampled_from(["", "-", "--", "– "]), words).map("".join), max_size=4)
prompts = st.tuples(st.sampled_from(["", "@aya ", "@BELLA, "]), terms.map(", ".join)).map("".join)
orders = st.fixed_dictionaries(
    {"prompt": prompts, "negative": terms.map(", ".join)},
    optional={
        "optimize": st.booleans(),
        "style": st.sampled_from(["professional", "neon", "no such style"]),
        "cs_title": words,
    },
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(orders, terms.map(", ".join))
async def test_triton_draws_the_very_bytes_that_the_reviewer_is_told(
    bench: DrawnBench, order: dict[str, Any], optimised: str
) -> None:
    bench.llm.answer = llm_servers.says(optimised)
    code, job = await bench.server.post({"action": "generate", **order})
    assume(code == 200)  # the others draw nothing: no prompt, or an answer of the LLM that is none
    meta = (await bench.server.until(job["id"]))["meta"]
    given_to_triton, told = bench.triton.requests[-1], bench.server.acs.reviews[-1]
    assert given_to_triton["prompt"] == str(told["drawn"]).encode() == meta["drawn"].encode()
    for name in TEXTS[1:]:
        assert given_to_triton[name] == str(told[name]).encode()


async def test_weights_and_windows_are_drawn_and_reviewed_in_one_string(server: Api) -> None:
    state = await server.finished(
        prompt="@aya (a lake, fog:1.3) BREAK [sun], (-rain:1.2), saber_(fate)", negative="(hat:1.4)"
    )
    (order,), (review,) = server.triton.orders, server.acs.reviews
    meta = state["meta"]
    assert order.prompt == review["drawn"] == meta["drawn"] == meta["positive"]
    assert "(a lake:1.3), (fog:1.3) BREAK (sun:0.9091), saber_(fate)" in order.prompt
    assert order.negative == review["negative"] and "(rain:1.2), (hat:1.4)" in order.negative
    assert meta["prompt"] == review["prompt"]
    assert meta["prompt"].startswith(
        "@aya (a lake:1.3), (fog:1.3) BREAK (sun:0.9091), saber_(fate), -(rain:1.2)"
    )


async def test_words_that_a_client_does_not_want_are_never_drawn(server: Api) -> None:
    state = await server.finished(prompt="a quiet lake, -a red car", negative="anything, gore")
    (order,), (review,) = server.triton.orders, server.acs.reviews
    for text in (order.prompt, review["drawn"], state["meta"]["drawn"]):
        assert not any(word in str(text) for word in ("red car", "anything", "gore", "without"))
    assert all(word in order.negative for word in ("a red car", "anything", "gore"))


async def test_answer_of_the_cache_sends_nothing_and_tells_nothing_of_what_was_drawn(server: Api) -> None:
    first = await made(server)
    _, job = await asked(server)
    meta = (await server.status(job["id"]))["meta"]
    assert "drawn" in first and "drawn" not in meta
    assert (len(server.triton.orders), len(server.acs.reviews)) == (1, 1)
