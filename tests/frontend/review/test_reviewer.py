"""The client against reviewers that are real small servers. Anything but a clean verdict is none."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from contract.acs import MAX_ANSWER_BYTES, Category, ReviewRequest
from frontend.domain.verdict import Verdict
from frontend.review.reviewer import Reviewer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SHA256 = "ab" * 32
ORDER = ReviewRequest(
    gen_id="a1b2c3d4e5f6g7h8i9j0",
    image_url="http://127.0.0.1:9/a.jpg?signature=hush",
    ruleset="default",
    prompt="@aya reading a book under a tree, -rain",
    positive="photo of aya, reading a book under a tree",
    drawn="photo of aya, reading a book under a tree",
    negative="rain",
    character="aya",
    depicts="adult",
    texts={"author": "A studio"},
    watermark=0.25,
    sha256=SHA256,
    bytes=7,
    model="eros",
    precompliance="",
)


def on_these_bytes(verdict: str) -> str:
    """So that what else is wrong with it decides."""
    return f'{verdict[:-1]},"sha256":"{SHA256}"}}'


SAFE = on_these_bytes('{"compliance":"safe","codes":[],"categories":[]}')
UNSAFE = on_these_bytes(
    '{"compliance":"unsafe","codes":["c1"],"categories":[{"id":"i1","name":"Category Name"}]}'
)


@asynccontextmanager
async def reviewers(handler: Handler, *timeouts_s: float) -> AsyncIterator[list[Reviewer]]:
    """One for each timeout, on one session."""
    app = web.Application()
    app.router.add_post("/base/v1/reviews", handler)
    async with TestServer(app, shutdown_timeout=0.1) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/base/"))
        yield [Reviewer(url, limit, session) for limit in timeouts_s]


def answering(text: str, status: int = 200, kind: str = "application/json") -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=text, status=status, content_type=kind)

    return handler


async def verdict(handler: Handler, timeout_s: float = 10.0) -> Verdict | None:
    async with reviewers(handler, timeout_s) as (client,):
        return await client.review(ORDER)


async def test_safe_verdict_is_bound_to_the_pictures_bytes() -> None:
    given = await verdict(answering(SAFE))
    assert given is not None
    assert (given.compliance, given.codes, given.categories) == ("safe", (), ())
    assert (given.sha256, given.ruleset) == (SHA256, "default")
    assert given.when.endswith("Z")
    assert given.took_ms > 0


async def test_unsafe_verdict_keeps_codes_and_categories() -> None:
    given = await verdict(answering(UNSAFE))
    assert given is not None
    assert (given.compliance, given.codes) == ("unsafe", ("c1",))
    assert given.categories == (Category(id="i1", name="Category Name"),)


async def test_whole_order_is_sent() -> None:
    bodies = []

    async def handler(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.Response(text=SAFE, content_type="application/json")

    assert await verdict(handler) is not None
    assert bodies == [msgspec.to_builtins(ORDER)]


@pytest.mark.parametrize("status", [201, 202, 204, 301, 400, 404, 422, 429, 500, 502, 503])
async def test_other_status_is_no_verdict(status: int) -> None:
    assert await verdict(answering("" if status == 204 else SAFE, status)) is None


async def test_redirect_is_no_verdict() -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect(request.path)

    assert await verdict(handler) is None
    assert len(asked) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "safe",
        "null",
        "[]",
        "{}",
        '"safe"',
        SAFE[:-1],
        SAFE + SAFE,
        '{"compliance":"safe","codes":[],"categories":[]}',
        SAFE.replace(SHA256, SHA256.upper()),
        SAFE.replace(SHA256, "ab"),
        SAFE.replace(f'"{SHA256}"', "null"),
        SAFE.replace("{", '{"compliance":"unsafe",'),
        SAFE.replace("{", '{"compliance":"safe",'),
        SAFE.replace("{", '{"\\u0063ompliance":"unsafe",'),
        SAFE.replace("}", f',"sha256":"{SHA256}"}}'),
        UNSAFE.replace('"id":', '"id":"other","id":'),
        '{"compliance":"safe"}',
        on_these_bytes('{"compliance":"safe","codes":[]}'),
        on_these_bytes('{"compliance":"SAFE","codes":[],"categories":[]}'),
        on_these_bytes('{"compliance":"maybe","codes":[],"categories":[]}'),
        on_these_bytes('{"compliance":true,"codes":[],"categories":[]}'),
        on_these_bytes('{"compliance":["safe"],"codes":[],"categories":[]}'),
        on_these_bytes('{"compliance":"safe","codes":null,"categories":[]}'),
        on_these_bytes('{"compliance":"safe","codes":[],"categories":{}}'),
        on_these_bytes('{"compliance":"safe","codes":[],"categories":[],"error":"x"}'),
        on_these_bytes('{"compliance":"safe","codes":["c1"],"categories":[]}'),
        on_these_bytes('{"compliance":"safe","codes":[],"categories":[{"id":"i","name":"n"}]}'),
        on_these_bytes('{"compliance":"unsafe","codes":["c1"],"categories":[]}'),
        on_these_bytes('{"compliance":"unsafe","codes":[1],"categories":[{"id":"i","name":"n"}]}'),
        on_these_bytes('{"compliance":"unsafe","codes":["c1"],"categories":["i"]}'),
        on_these_bytes('{"compliance":"unsafe","codes":["c1"],"categories":[{"id":"i"}]}'),
        on_these_bytes('{"compliance":"unsafe","codes":["c1"],"categories":[{"id":1,"name":"n"}]}'),
        on_these_bytes('{"compliance":"unsafe","codes":["c1"],"categories":[{"id":"","name":"n"}]}'),
        "[" * 60_000,
    ],
)
async def test_other_shape_is_no_verdict(text: str) -> None:
    assert await verdict(answering(text)) is None


@pytest.mark.parametrize("answer", [SAFE, UNSAFE])
async def test_verdict_on_other_bytes_is_no_verdict(answer: str) -> None:
    assert await verdict(answering(answer)) is not None
    assert await verdict(answering(answer.replace(SHA256, "cd" * 32))) is None


async def test_other_media_type_is_no_verdict() -> None:
    assert await verdict(answering(SAFE, kind="text/html")) is None


async def test_bytes_that_are_no_text_are_no_verdict() -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=b'{"compliance":"\xff"}', content_type="application/json")

    assert await verdict(handler) is None


async def test_huge_answer_is_no_verdict() -> None:
    assert await verdict(answering(SAFE + " " * MAX_ANSWER_BYTES)) is None


async def test_compressed_bomb_is_no_verdict() -> None:
    async def handler(request: web.Request) -> web.Response:
        response = web.Response(text=SAFE + " " * (64 << 20), content_type="application/json")
        response.enable_compression(web.ContentCoding.gzip)
        return response

    assert await verdict(handler) is None


async def test_hanging_reviewer_is_no_verdict() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert await verdict(handler, 0.1) is None


async def test_answer_that_trickles_past_the_time_is_no_verdict() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(SAFE[:10].encode())
        await asyncio.Event().wait()
        raise AssertionError

    assert await verdict(handler, 0.1) is None


async def test_late_answer_is_dropped_and_the_next_review_is_its_own() -> None:
    first_dropped = asyncio.Event()
    second = msgspec.structs.replace(ORDER, gen_id="second", sha256="cd" * 32)

    async def handler(request: web.Request) -> web.Response:
        if (await request.json())["gen_id"] == second.gen_id:
            return web.Response(text=SAFE.replace(SHA256, second.sha256), content_type="application/json")
        await first_dropped.wait()
        return web.Response(text=UNSAFE, content_type="application/json")

    async with reviewers(handler, 0.1, 10.0) as (hasty, patient):
        assert await hasty.review(ORDER) is None
        first_dropped.set()
        given = await patient.review(second)
    assert given is not None
    assert (given.compliance, given.sha256) == ("safe", "cd" * 32)


async def test_connection_cut_off_is_no_verdict() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    assert await verdict(handler) is None


async def test_unreachable_reviewer_is_no_verdict(unused_tcp_port: int) -> None:
    async with aiohttp.ClientSession() as session:
        assert await Reviewer(f"http://127.0.0.1:{unused_tcp_port}", 5, session).review(ORDER) is None


async def test_reviewer_is_asked_once() -> None:
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(1)
        return web.Response(status=503)

    assert await verdict(handler) is None
    assert len(asked) == 1


async def test_cancelled_review_is_cancelled() -> None:
    arrived = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with reviewers(handler, 10.0) as (client,):
        task = asyncio.create_task(client.review(ORDER))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_log_holds_neither_signatures_nor_prompts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="frontend.review.reviewer"):
        await verdict(answering("reading a book", 500))
        await verdict(answering('{"compliance":"reading a book"}'))
    lines = (record.getMessage() for record in caplog.records if record.name == "frontend.review.reviewer")
    text = "\n".join(lines)
    assert text.count("no verdict: gen_id=a1b2c3d4e5f6g7h8i9j0") == 2
    assert "hush" not in text
    assert "book" not in text


def test_summary_lists_category_names() -> None:
    categories = tuple(Category(id=name, name=name) for name in ("Category Name", "Other Name"))
    one = Verdict(
        compliance="unsafe", codes=("c",), categories=categories[:1], sha256=SHA256, ruleset="d", when="w"
    )
    both = msgspec.structs.replace(one, categories=categories)
    assert one.summary == "Content blocked — flagged for: Category Name."
    assert both.summary == "Content blocked — flagged for: Category Name, Other Name."


def test_verdict_comes_back_from_json_as_it_was() -> None:
    stored = Verdict(
        compliance="unsafe",
        codes=("c1",),
        categories=(Category(id="i", name="n"),),
        sha256=SHA256,
        ruleset="default",
        when="2025-03-29T20:02:50Z",
        took_ms=12.5,
    )
    assert msgspec.json.decode(msgspec.json.encode(stored), type=Verdict) == stored


@pytest.mark.parametrize(
    ("old", "new"),
    [('"safe"', '"unsafe"'), ('"codes":[]', '"codes":["c"]'), (SHA256, "ab"), (SHA256, SHA256.upper())],
)
def test_stored_verdict_that_was_changed_is_refused(old: str, new: str) -> None:
    given = Verdict(compliance="safe", codes=(), categories=(), sha256=SHA256, ruleset="d", when="w")
    text = msgspec.json.encode(given).decode()
    assert old in text
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text.replace(old, new), type=Verdict)
