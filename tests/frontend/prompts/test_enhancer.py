import asyncio
import contextlib
import logging
import string
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from contract.limits import MAX_PROMPT_CHARACTERS
from embedded.part import free_port
from frontend.common.errors import ApiError
from frontend.common.probe import NotReady
from frontend.prompts.enhancer import Enhancer, merge
from frontend.prompts.prompt import Prompt

KEY = "llm-secret-key"
PROMPT = Prompt("aya", ("old lighthouse", "storm"), ("rain", "red dress"))
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Llm:
    """An OpenAI-compatible server that answers as the test tells it to."""

    answer: Answer
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        return await self.answer(request)


def says(text: object) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        message = {"role": "assistant", "content": text}
        return web.json_response({"id": "x", "choices": [{"index": 0, "message": message}], "usage": {}})

    return answer


def sends(body: bytes, status: int = 200) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type="application/json")

    return answer


@contextlib.asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Llm]:
    llm = Llm(answer)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", llm.complete)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    llm.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield llm
    finally:
        await runner.cleanup()


async def enhanced(url: str, prompt: Prompt = PROMPT, **options: Any) -> Prompt:
    async with aiohttp.ClientSession() as session:
        return await Enhancer(session, url=url, key=KEY, **options).enhance(prompt, "somebody")


async def test_answer_becomes_the_positive_terms() -> None:
    async with serving(says("old lighthouse on a cliff, stormy sea, dark clouds")) as llm:
        prompt = await enhanced(llm.url, model="small")
    assert prompt == Prompt(
        "aya", ("old lighthouse on a cliff", "stormy sea", "dark clouds"), ("rain", "red dress")
    )
    (body,) = llm.bodies
    assert body["model"] == "small"
    assert body["messages"][-1] == {"role": "user", "content": "old lighthouse, storm"}
    assert llm.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_character_and_negatives_never_reach_the_model() -> None:
    async with serving(says("a tree")) as llm:
        await enhanced(llm.url)
    sent = str(llm.bodies)
    assert "aya" not in sent
    assert "red dress" not in sent


async def test_terms_that_the_answer_lost_come_first() -> None:
    async with serving(says("a poem about tax law, warm light")) as llm:
        prompt = await enhanced(llm.url)
    assert prompt.positive == ("old lighthouse", "storm", "a poem about tax law", "warm light")


async def test_model_cannot_change_the_character_or_add_negatives() -> None:
    async with serving(says("@bella old lighthouse, -storm, @bella, stormy sea, -aya")) as llm:
        prompt = await enhanced(llm.url)
    assert prompt == Prompt("aya", ("old lighthouse", "stormy sea"), ("rain", "red dress"))


async def test_character_alone_is_enhanced() -> None:
    async with serving(says("portrait, soft light")) as llm:
        assert await enhanced(llm.url, Prompt("aya", (), ())) == Prompt("aya", ("portrait", "soft light"), ())


async def test_only_negatives_stay_as_they_are() -> None:
    async with serving(says("soft light")) as llm:
        assert await enhanced(llm.url, Prompt("", (), ("rain",))) == Prompt("", (), ("rain",))
    assert llm.bodies == []


async def test_no_model_name_is_sent_where_none_is_set() -> None:
    async with serving(says("a tree")) as llm:
        await enhanced(llm.url)
    assert "model" not in llm.bodies[0]


async def hangs(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def trickles(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(600):
            await response.write(b" ")
            await asyncio.sleep(0.1)
    return response


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def redirects(request: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("http://127.0.0.1:1/elsewhere")


@pytest.mark.parametrize(
    "answer",
    [
        hangs,
        trickles,
        hangs_up,
        redirects,
        sends(b'{"error":"overloaded"}', 503),
        sends(b'{"choices":[{"message":{"content":"a tree"}}]}', 500),
        sends(b""),
        sends(b"<html>"),
        sends(b"[" * 100_000),
        sends(b"\xff\xfe"),
        sends(b'{"choices":[]}'),
        sends(b'{"choices":[{"message":{"content":"\\ud83d"}}]}'),
        sends(b" " * (1 << 20)),
        says(None),
        says(["a tree"]),
        says(""),
        says("I'm sorry, but I can't help with that."),
        says("-storm, @bella"),
    ],
)
async def test_llm_that_misbehaves_is_an_enhancement_that_failed(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(answer) as llm:
        with caplog.at_level(logging.DEBUG, "frontend"), pytest.raises(ApiError) as failure:
            await enhanced(llm.url, timeout_s=0.5)
    assert (failure.value.status, failure.value.message) == (502, "Enhancement failed")
    assert KEY not in caplog.text
    assert "lighthouse" not in caplog.text


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:1/v1", "nonsense", "http://[/v1"])
async def test_llm_that_is_not_there_is_an_enhancement_that_failed(url: str) -> None:
    with pytest.raises(ApiError, match="Enhancement failed") as failure:
        await enhanced(url)
    assert failure.value.status == 502


async def test_any_answering_server_is_ready_and_none_is_not() -> None:
    async with aiohttp.ClientSession() as session, serving(says("")) as llm:
        assert await Enhancer(session, url=llm.url).ready()
        with pytest.raises(NotReady, match="IMGEN_LLM_URL is empty"):
            await Enhancer(session).ready()
        with pytest.raises(aiohttp.ClientError):
            await Enhancer(session, url="http://127.0.0.1:1/v1").ready()


def test_prompt_with_no_room_stays_as_it_is() -> None:
    full = Prompt("", ("x" * MAX_PROMPT_CHARACTERS,), ())
    assert merge(full, ("soft light",)) == full


@pytest.mark.parametrize(
    ("own", "answer", "lost"),
    [
        (("a red coat",), ("a blue coat",), ("a red coat",)),
        (("red coat", "blue hat"), ("blue coat", "red hat"), ("red coat", "blue hat")),
        (("two dogs",), ("three happy dogs",), ("two dogs",)),
        (("Storm", "house on a hill"), ("stormy sky", "white house at the hill"), ()),
        (("car",), ("red carpet",), ("car",)),
        (("小さな猫",), ("small cat",), ("小さな猫",)),
        (("the",), ("the sea",), ("the",)),
    ],
)
def test_terms_whose_words_are_not_all_in_one_term_of_the_answer_are_kept(
    own: tuple[str, ...], answer: tuple[str, ...], lost: tuple[str, ...]
) -> None:
    assert merge(Prompt("", own, ()), answer).positive == (*lost, *answer)


terms = st.lists(st.lists(st.text("abA", min_size=1), min_size=1, max_size=3).map(" ".join), max_size=5)


@given(terms, terms.filter(bool))
def test_every_word_of_the_user_survives(own: list[str], answer: list[str]) -> None:
    prompt = merge(Prompt("aya", tuple(own), ()), tuple(answer))
    text = " ".join(prompt.positive).casefold()
    for word in {word for term in own for word in term.casefold().split()} - {"a"}:
        assert word in text
    assert len({term.casefold() for term in prompt.positive}) == len(prompt.positive)


def test_merging_takes_time_in_proportion_to_the_prompt() -> None:
    """It holds the event loop: compared with itself, since a busy machine makes both slower."""
    letters = string.ascii_lowercase
    most = tuple(f"{one}{two}{three}" for one in letters for two in letters for three in letters)[:990]
    theirs = tuple(f"shining term number {number} with many small words" for number in range(40))

    def processor_s(mine: tuple[str, ...]) -> float:
        began = time.process_time()
        merged = merge(Prompt("", mine, ()), theirs).positive
        assert merged[: len(mine)] == mine
        return time.process_time() - began

    assert merge(Prompt("", most, ()), theirs).positive == most  # no room for more
    few = most[: len(most) // 6]
    taken = [(processor_s(most), processor_s(few)) for _ in range(5)]
    longest, shortest = (min(each) for each in zip(*taken, strict=True))
    assert longest < 15 * shortest  # each with each would be 36 times


@pytest.mark.parametrize(
    ("own", "answer", "merged"),
    [
        (("(red car:1.3) on a beach",), ("red car on a beach", "sunset"), None),
        (("(red car:1.3)", "beach"), ("red car", "sandy beach"), ("(red car:1.3)", "sandy beach")),
        (("a car", "BREAK", "a house"), ("a car", "fog"), ("a car", "BREAK", "a house", "fog")),
        ((r"a \(red", "car"), ("a red car",), ("a red car",)),
    ],
)
def test_weights_and_windows_of_the_user_survive(
    own: tuple[str, ...], answer: tuple[str, ...], merged: tuple[str, ...] | None
) -> None:
    assert merge(Prompt("", own, ()), answer).positive == (merged or (own[0], "sunset"))


async def test_model_is_told_the_words_without_their_weights() -> None:
    async with serving(says("red car, sunset")) as llm:
        better = await enhanced(llm.url, Prompt("", ("(red car:1.3)", "BREAK", r"a \(big\) house"), ()))
    assert llm.bodies[0]["messages"][-1]["content"] == "red car, a (big) house"
    assert better.positive == ("(red car:1.3)", "BREAK", r"a \(big\) house", "sunset")
