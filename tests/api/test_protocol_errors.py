"""What is no HTTP, or is HTTP that two servers may read in two ways: one JSON line, and no echo."""

import contextlib
import gc
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from perf.loop_watch import watched
from tests.api.harness import PROMPT, Api, api
from tests.api.wire import MIB, head, models, resident_mib, wire

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHUNKED = "Transfer-Encoding: chunked"
AUTH = b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY"
NO_HTTP = {
    "control character in the key": AUTH + b"\x01\r\n\r\n",
    "null in the key": AUTH + b"\x00\r\n\r\n",
    "folded key": b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\r\n KEY\r\n\r\n",
    "space before the colon": b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer KEY\r\n\r\n",
    "key as a method": b"KEY / HTTP/1.1\r\nHost: x\r\n\r\n",
    "key in a bad URL": b"GET http://[KEY HTTP/1.1\r\nHost: x\r\n\r\n",
    "key in a bad path": b"GET //[KEY\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    "key in a version": b"GET / HTTP/KEY\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00KEY\r\n\r\n",
    "two lengths": AUTH + b"\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "length and chunks": AUTH + b"\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "odd transfer encoding": AUTH + b"\r\nTransfer-Encoding: gzip\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: x\r\nHost: KEY\r\n\r\n",
    "no host": b"POST /api/v2 HTTP/1.1\r\nAuthorization: Bearer KEY\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"A: KEY\r\n" * 1000 + b"\r\n",
}


def no_trace_of(key: str, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert key.encode() not in data
    assert key not in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("name", NO_HTTP)
async def test_what_is_no_http_is_answered_without_an_echo(
    shared: Api, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with wire(shared.settings.port) as one:
        await one.send(NO_HTTP[name].replace(b"KEY", shared.key.encode()))
        answer = await one.answer()
        rest = await one.ended()
    assert (answer.status, answer.json(), rest) == (400, {"error": "Bad request"}, b"")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["server"] == "imgen" and answer.headers["x-request-id"]
    no_trace_of(shared.key, answer.body, caplog)


@pytest.mark.parametrize(
    "long", [b"GET /" + b"a" * 9000, b"GET / HTTP/1.1\r\nHost: x\r\nA: KEY" + b"a" * 9000, b"A" * 100_000]
)
async def test_head_that_is_too_large_is_told_so(
    shared: Api, long: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire(shared.settings.port) as one:
        await one.send(long.replace(b"KEY", shared.key.encode()))
        answer = await one.answer()
    assert answer.status in (400, 431)
    no_trace_of(shared.key, answer.body, caplog)


async def test_endless_head_of_short_lines_is_refused(shared: Api) -> None:
    async with wire(shared.settings.port) as one:
        await one.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + (b"A: " + b"b" * 8000 + b"\r\n") * 5)
        answer = await one.answer()
    assert (answer.status, answer.json()) == (431, {"error": "Request headers are too large"})


async def test_what_is_no_http_is_counted_and_answered_only_so_often(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        before = await refused(server)
        answered = 0
        for _ in range(70):
            async with wire(server.settings.port) as one:
                await one.send(b"nonsense\r\n\r\n")
                answered += bool(await one.ended())
        assert answered == 60
        assert await refused(server) - before == 70
        assert (await server.post({"action": "models"}))[0] == 200


async def refused(server: Api) -> float:
    async with server.http.get(f"{server.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    name = 'imgen_http_refused_connections_total{reason="protocol"} '
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


@pytest.mark.parametrize("rest", [b"zz\r\n", b"5\r\nabcdefgh", b"-1\r\n", b"ffffffffffffffffff\r\n"])
async def test_chunks_that_are_none_are_answered_at_once(shared: Api, rest: bytes) -> None:
    async with wire(shared.settings.port) as one:
        await one.send(head(CHUNKED, key=shared.key) + b'3\r\n{"a\r\n')
        await one.send(rest)
        answer = await one.answer()
        assert answer.status == 400 and answer.json()["error"] in ("Invalid JSON", "Bad request")
        assert b"HTTP/1.1" not in await one.ended()
    assert (await shared.post({"action": "models"}))[0] == 200


@pytest.mark.parametrize("with_key", [True, False])
async def test_crumbs_of_a_body_are_refused_before_they_cost_much(shared: Api, with_key: bool) -> None:
    async def ask(count: int, size: int) -> int:
        async with wire(shared.settings.port) as one:
            chunk = b"%x\r\n%b\r\n" % (size, b" " * size)
            body = b'13\r\n{"action":"models"}\r\n'
            with contextlib.suppress(ConnectionError):
                await one.send(head(CHUNKED, key=shared.key if with_key else "") + body + chunk * count)
                await one.send(b"0\r\n\r\n")
            with contextlib.suppress(ConnectionError):  # the refusal may be lost over what nobody read
                return (await one.answer()).status
            return 400

    fine = 200 if with_key else 401
    assert [await ask(400, 1), await ask(30_000, 200)] == [fine, fine]
    status, late = await watched(ask(200_000, 1))
    assert status == 400
    assert max(late.held) < 100, max(late.held)


async def test_what_is_no_http_leaves_no_memory_behind(server: Api) -> None:
    long = b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * MIB
    before = resident_mib()
    gc.disable()
    try:
        for _ in range(300):
            async with wire(server.settings.port) as one:
                with contextlib.suppress(ConnectionError):
                    await one.send(long)
                    await one.ended()
    finally:
        gc.enable()
    assert resident_mib() - before < 30


async def test_chunks_by_http_1_0_are_refused(shared: Api) -> None:
    body = b'{"action":"models"}'
    chunked = head(CHUNKED, key=shared.key) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    async with wire(shared.settings.port) as one:
        await one.send(chunked)
        assert (await one.answer()).status == 200
    async with wire(shared.settings.port) as one:
        await one.send(chunked.replace(b"HTTP/1.1", b"HTTP/1.0", 1))
        answer = await one.answer()
        assert (answer.status, answer.json()) == (400, {"error": "Bad request"})
        assert await one.ended() == b""


async def test_two_keys_are_none(shared: Api) -> None:
    body = b'{"action":"models"}'
    for second in (shared.key, "imgen_other"):
        async with wire(shared.settings.port) as one:
            lines = f"Authorization: Bearer {second}"
            await one.send(head(lines, key=shared.key, length=len(body)) + body)
            answer = await one.answer()
            assert (answer.status, answer.json()) == (401, {"error": "Unauthorized"})


async def test_requests_one_behind_the_other_are_answered_in_order_but_not_without_end(shared: Api) -> None:
    async with wire(shared.settings.port) as one:
        await one.send(models(shared) * 20)
        assert [(await one.answer()).status for _ in range(20)] == [200] * 20
    async with wire(shared.settings.port) as one:
        await one.send(head("Expect: 100-continue", key=shared.key, length=2))
        assert (await one.answer()).status == 100
        with contextlib.suppress(ConnectionError):
            await one.send(b"{}" + models(shared) * 20_000)
        assert (await one.ended()).count(b"HTTP/1.1 200") < 20_000


async def test_every_answer_has_the_security_headers_and_no_version(server: Api) -> None:
    picture = URL((await server.finished())["meta"]["images"][0]["url"]).path_qs
    requests = {
        "answer": models(server),
        "unauthorized": head(key="imgen_wrong", length=0),
        "too large": head(key=server.key, length=1 << 30),
        "not found": b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
        "wrong method": b"GET /api/v2 HTTP/1.1\r\nHost: x\r\n\r\n",
        "health": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        "metrics": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        "picture": f"GET {picture} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        "preflight": b"OPTIONS /api/v2 HTTP/1.1\r\nHost: x\r\nOrigin: https://a\r\n"
        b"Access-Control-Request-Method: POST\r\n\r\n",
        "no HTTP": b"nonsense\r\n\r\n",
    }
    for name, request in requests.items():
        async with wire(server.settings.port) as one:
            await one.send(request)
            headers = (await one.answer()).headers
        assert headers["server"] == "imgen", name
        assert headers["x-content-type-options"] == "nosniff", name
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'", name
        assert headers["referrer-policy"] == "no-referrer", name
        assert headers["x-request-id"], name


async def test_key_in_an_unforeseen_error_is_not_logged(
    server: Api, caplog: pytest.LogCaptureFixture
) -> None:
    await server.redis.delete("imgen:keys")
    await server.redis.set("imgen:keys", "not a hash")
    code, body = await server.post({"action": "generate", "prompt": PROMPT})
    assert (code, body["error"]) == (500, "Internal error")
    assert "failed" in caplog.text and server.key not in caplog.text
