"""`POST /v1/images/generations` beyond what OpenAI's clients send: refusals, clients that go away, bounds."""

import asyncio
import base64
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from redis.asyncio import Redis

from contract.redis_keys import WAITING
from frontend.audit.log import AuditLog
from frontend.domain.picture import Picture, PictureOrder
from frontend.keys.api_keys import Keys, KeyTerms, Scope
from frontend.openai.images_request import MAX_PICTURES, read_images
from tests.api.harness import Api, api
from tests.api.streams import PATIENCE_S
from tests.fakes import UNSAFE, FakeTriton

PATH = "/v1/images/generations"


async def ask(server: Api, body: Any, **headers: str) -> tuple[int, Any]:
    sent = {"Authorization": f"Bearer {server.key}", **headers}
    async with server.http.post(f"{server.url}{PATH}", json=body, headers=sent) as response:
        assert response.headers["X-Request-ID"]
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({}, "Prompt is required", "prompt", "missing_required_parameter"),
        ({"prompt": " "}, "Prompt is required", "prompt", "missing_required_parameter"),
        ({"prompt": "a" * 4_001}, "Prompt is too long", "prompt", "string_above_max_length"),
        ({"prompt": 5}, "Invalid prompt: expected string", "prompt", "invalid_value"),
        ({"prompt": ["a"]}, "Invalid prompt: expected string", "prompt", "invalid_value"),
        ({"prompt": "@aya, @bella"}, "Only one character per prompt", "prompt", None),
        ({"n": 0}, "Invalid n: expected integer 1 to 4", "n", "invalid_value"),
        ({"n": 5}, "Invalid n: expected integer 1 to 4", "n", "invalid_value"),
        ({"n": True}, "Invalid n: expected integer 1 to 4", "n", "invalid_value"),
        ({"n": "2"}, "Invalid n: expected integer 1 to 4", "n", "invalid_value"),
        ({"n": 1e308}, "Invalid n: expected integer 1 to 4", "n", "invalid_value"),
        ({"size": "big"}, "Invalid size: expected auto, or WIDTHxHEIGHT in pixels", "size", "invalid_value"),
        ({"size": "0x1"}, "Invalid size: expected auto, or WIDTHxHEIGHT in pixels", "size", "invalid_value"),
        (
            {"size": "1" * 9_000 + "x1"},
            "Invalid size: expected auto, or WIDTHxHEIGHT in pixels",
            "size",
            "invalid_value",
        ),
        (
            {"response_format": "file"},
            "Invalid response_format: expected one of url, b64_json",
            "response_format",
            "invalid_value",
        ),
        (
            {"output_format": "gif"},
            "Invalid output_format: expected one of jpeg, png, webp, avif",
            "output_format",
            "invalid_value",
        ),
        (
            {"output_compression": 101},
            "Invalid output_compression: expected integer 0 to 100",
            "output_compression",
            "invalid_value",
        ),
        ({"stream": "yes"}, "Invalid stream: expected boolean", "stream", "invalid_value"),
        (
            {"partial_images": 4},
            "Invalid partial_images: expected integer 0 to 3",
            "partial_images",
            "invalid_value",
        ),
        (
            {"background": "transparent"},
            "Invalid background: expected one of auto, opaque",
            "background",
            "invalid_value",
        ),
        ({"style": 5}, "Invalid style: expected string", "style", "invalid_value"),
        ({"mask": "x"}, "Unknown parameter: mask", "mask", "unknown_parameter"),
        ({"action": "generate"}, "Unknown parameter: action", "action", "unknown_parameter"),
        ({"\x1b[2J": 1}, "Unknown parameter: \\x1b[2J", "\\x1b[2J", "unknown_parameter"),
        ({"x" * 5_000: 1}, f"Unknown parameter: {'x' * 64}", "x" * 64, "unknown_parameter"),
    ],
)
async def test_what_is_wrong_is_named_in_openais_form(
    shared: Api, body: dict[str, Any], message: str, param: str, code: str | None
) -> None:
    sent = body if "prompt" in body or not body else {"prompt": "a lake", **body}
    status, answer = await ask(shared, sent)
    told = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert (status, answer) == (400, {"error": told})


async def test_character_that_is_not_there_is_named_with_those_that_are(shared: Api) -> None:
    status, answer = await ask(shared, {"prompt": "@nobody"})
    assert status == 400 and answer["error"]["param"] == "prompt"
    assert (
        answer["error"]["message"].startswith("Invalid character: ") and "aya" in answer["error"]["message"]
    )


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ("auto", (1344, 768)),
        ("1024x1024", (1024, 1024)),
        ("256x256", (1024, 1024)),
        ("1536x1024", (1216, 832)),
        ("1024x1536", (832, 1216)),
        ("1792x1024", (1344, 768)),
        ("1024x1792", (768, 1344)),
        ("3840x2160", (1344, 768)),
        ("1x99999", (768, 1344)),
        ("640x480", (1152, 896)),
    ],
)
def test_size_of_the_most_similar_shape_is_drawn(size: str, drawn: tuple[int, int]) -> None:
    assert read_images({"prompt": "a lake", "size": size}).drawn_size == drawn


@pytest.mark.parametrize(
    ("sent", "base64_too"),
    [
        ({}, False),
        ({"model": "eros"}, False),
        ({"model": "gpt-image-2"}, True),
        ({"model": "chatgpt-image-latest"}, True),
        ({"model": "gpt-image-1", "response_format": "url"}, False),
        ({"model": ["gpt-image-1"]}, False),
        ({"response_format": "b64_json"}, True),
    ],
)
def test_base64_is_answered_where_programs_expect_it(sent: dict[str, Any], base64_too: bool) -> None:
    assert read_images({"prompt": "a lake", **sent}).in_base64 == base64_too


async def test_style_and_notes_reach_the_client(server: Api) -> None:
    status, answer = await ask(server, {"prompt": "a lake, <lora:x:1>", "style": "vivid", "model": None})
    assert status == 200 and answer["notes"] and answer["usage"]["total_tokens"] == 0


async def test_jobs_are_the_keys_own_and_count_as_its_orders(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, key_orders_per_minute=5) as server:
        assert (await ask(server, {"prompt": "a lake", "n": 4}))[0] == 200
        status, answer = await ask(server, {"prompt": "a lake", "n": 2})
        assert (status, answer["error"]["type"], answer["error"]["code"]) == (
            429,
            "requests",
            "rate_limit_exceeded",
        )
        assert len(server.triton.orders) == 4


@pytest.mark.parametrize("path", [PATH, "/v1/models", "/v1/models/eros"])
async def test_key_for_verification_alone_is_forbidden(server: Api, path: str) -> None:
    _, secret = await Keys(server.redis).create("verifier", terms=KeyTerms(scopes=(Scope.VERIFY,)))
    method = "POST" if path == PATH else "GET"
    headers = {"Authorization": f"Bearer {secret}"}
    async with server.http.request(method, f"{server.url}{path}", headers=headers) as response:
        error = (await response.json())["error"]
    assert response.status == 403 and error["message"].startswith("Forbidden: ")


async def test_none_is_drawn_where_one_is_refused(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0, key_jobs_limit=2) as server:
        status, answer = await ask(server, {"prompt": "a lake", "n": 3})
        assert (status, answer["error"]["message"]) == (429, "Too many unfinished jobs for this key")
        assert await redis.zcard(WAITING) == 0


async def test_client_that_goes_away_leaves_no_work_behind_and_others_jobs_stand(server: Api) -> None:
    server.triton.gate.clear()
    other = await server.generate()
    for stream in (False, True):
        async with waiting(server, {"prompt": "a lake", "n": 2, "stream": stream}):
            pass
        await until_waiting(server, 0)
        await until_unfinished(server, 1)
    server.triton.gate.set()
    assert (await server.until(other["id"]))["status"] == "COMPLETED"


async def test_order_with_an_idempotency_key_outlives_its_client(server: Api) -> None:
    server.triton.gate.clear()
    body = {"prompt": "a lake", "n": 2}
    async with waiting(server, body, **{"Idempotency-Key": "order-1"}):
        pass
    await until_waiting(server, 0)
    assert await unfinished(server) == 2
    server.triton.gate.set()
    status, answer = await ask(server, body, **{"Idempotency-Key": "order-1"})
    assert status == 200 and len(answer["data"]) == 2
    assert len(server.triton.orders) == 2


@contextlib.asynccontextmanager
async def waiting(server: Api, body: dict[str, Any], **more: str) -> AsyncIterator[None]:
    """A client that has ordered, and goes away at the end."""
    async with aiohttp.ClientSession() as http:
        asked = asyncio.create_task(ask_raw(replace(server, http=http), body, **more))
        before = await unfinished(server)
        await until_waiting(server, 1)
        await until_unfinished(server, before + body.get("n", 1))
        yield
        asked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asked


async def unfinished(server: Api) -> int:
    return int(await server.redis.zcard("imgen:open"))


async def until_unfinished(server: Api, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while await unfinished(server) != count:
            await asyncio.sleep(0.02)


async def until_waiting(server: Api, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.services.seats.taken != count:
            await asyncio.sleep(0.02)


async def test_nobody_waits_where_no_seat_is_left(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0, key_streams_limit=1) as server:
        with server.services.seats.seat((await Keys(redis).all())[0].id):
            status, answer = await ask(server, {"prompt": "a lake"})
        assert (status, answer["error"]["message"]) == (429, "Too many open streams for this key")
        assert await unfinished(server) == 0


async def test_server_that_stops_says_so_and_withdraws(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        asked = asyncio.create_task(ask(server, {"prompt": "a lake"}))
        await until_waiting(server, 1)
        await until_unfinished(server, 1)
        server.services.watch.close()
        status, answer = await asked
        assert (status, answer["error"]["message"]) == (503, "Server is shutting down")
        assert answer["error"]["type"] == "server_error" and await unfinished(server) == 0


async def test_late_picture_is_504_and_not_to_be_asked_for_again(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0, job_deadline_s=1) as server:
        headers = {"Authorization": f"Bearer {server.key}"}
        async with server.http.post(
            f"{server.url}{PATH}", json={"prompt": "a lake"}, headers=headers
        ) as response:
            assert (response.status, response.headers["x-should-retry"]) == (504, "false")
            assert (await response.json())["error"]["message"] == "Generation timed out"


async def test_key_that_is_disabled_meanwhile_is_told_nothing(server: Api) -> None:
    server.triton.gate.clear()
    both = [
        asyncio.create_task(ask_raw(server, {"prompt": "a lake", "stream": stream}))
        for stream in (False, True)
    ]
    await until_waiting(server, 2)
    await until_unfinished(server, 2)
    await Keys(server.redis).disable("test")
    server.triton.gate.set()
    plain, streamed = await asyncio.gather(*both)
    assert plain[0] == 401 and b"invalid_api_key" in plain[1]
    assert b"event: error" in streamed[1] and b"invalid_api_key" in streamed[1]
    assert b"b64_json" not in plain[1] + streamed[1]


async def ask_raw(server: Api, body: Any, **headers: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {server.key}", **headers}
    async with server.http.post(f"{server.url}{PATH}", json=body, headers=headers) as response:
        return response.status, await response.read()


async def test_bytes_that_nobody_reviewed_never_leave(server: Api) -> None:
    """Changed on the store after their verdict."""
    verdicts = 0

    async def change(verdict: dict[str, object]) -> web.StreamResponse:
        nonlocal verdicts
        verdicts += 1
        for file in (server.settings.data_dir / "files" / "pictures").rglob("*.png"):
            file.write_bytes(b"another picture")
        return web.json_response(verdict)

    server.acs.answer = change
    body = {"prompt": "a lake", "response_format": "b64_json"}
    status, answer = await ask(server, body)
    assert (status, answer["error"]["message"]) == (502, "Picture cannot be read")
    status, streamed = await ask_raw(server, {**body, "stream": True})
    assert status == 200 and b"Picture cannot be read" in streamed
    assert base64.b64encode(b"another picture") not in streamed and verdicts == 2


async def test_stream_sends_a_comment_while_it_waits_and_ends_with_the_last_picture(server: Api) -> None:
    server.services.watch.look_again_s = 0.05
    server.triton.gate.clear()
    headers = {"Authorization": f"Bearer {server.key}"}
    body = {"prompt": "a lake", "n": 2, "stream": True}
    async with server.http.post(f"{server.url}{PATH}", json=body, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readline() == b":\n"
        server.triton.gate.set()
        rest = await response.read()
    assert rest.count(b"event: image_generation.completed\ndata: {") == 2


async def test_four_large_pictures_are_answered_whole(server: Api) -> None:
    status, answer = await ask(server, {"prompt": "a lake", "n": MAX_PICTURES, "response_format": "b64_json"})
    assert status == 200
    got = {hashlib.sha256(base64.b64decode(each["b64_json"])).hexdigest() for each in answer["data"]}
    assert got == {each["sha256"] for each in server.acs.reviews} and len(got) == MAX_PICTURES


async def test_answers_with_pictures_take_turns_and_give_their_place_back(server: Api) -> None:
    body = {"prompt": "a lake", "response_format": "b64_json"}
    answers = server.services.answers
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(answers.slot("another"))
        asked = asyncio.create_task(ask(server, body))
        await until_reviewed(server, 1)
        assert not asked.done()
    assert (await asked)[0] == 200
    for _ in range(5):
        assert (await ask(server, body))[0] == 200


async def until_reviewed(server: Api, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while len(server.acs.reviews) != count:
            await asyncio.sleep(0.02)


class FailsOne(FakeTriton):
    """The picture of seed 1."""

    async def text_to_image(
        self, order: PictureOrder, on_progress: Callable[[float], Awaitable[None]]
    ) -> Picture:
        if order.seed == 1:
            raise ValueError("no")
        return await super().text_to_image(order, on_progress)


async def test_failed_picture_is_left_out_and_beside_a_blocked_one_the_order_is_blocked(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, triton=FailsOne()) as server:
        status, answer = await ask(server, {"prompt": "a lake", "n": 2, "seed": 1})
        assert status == 200 and len(answer["data"]) == 1
        assert [note[:32] for note in answer["notes"]] == ["One picture of 2 was left out: G"]
        server.acs.verdict = UNSAFE
        status, answer = await ask(server, {"prompt": "a lake", "n": 2, "seed": 1})
        assert (status, answer["error"]["code"]) == (400, "moderation_blocked")


async def test_page_of_an_allowed_origin_may_use_openais_package(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    """It sends headers of its own."""
    origin = "https://studio.example"
    async with api(redis_url, tmp_path, cors_origins=(origin,)) as server:
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        async with server.http.options(f"{server.url}{PATH}", headers=headers) as response:
            allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
            assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, origin)
    assert {"authorization", "content-type", "x-stainless-os", "x-stainless-retry-count"} <= {*allowed}


async def test_pictures_that_leave_stand_in_the_audit_log(server: Api) -> None:
    for body in ({}, {"response_format": "b64_json"}, {"stream": True}):
        assert (await ask_raw(server, {"prompt": "a lake", **body}))[0] == 200
    told = [
        entry.fields["sha256"] async for entry in AuditLog(server.redis).entries() if entry.kind == "release"
    ]
    assert told == [each["sha256"] for each in server.acs.reviews] and len(told) == 3
