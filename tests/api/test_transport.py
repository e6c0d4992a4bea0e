"""Statuses, error words, CORS and headers, in the API's order of checks."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from frontend.common.version import __version__
from frontend.keys.api_keys import Keys
from tests.api.harness import PROMPT, Api, api


async def raw(server: Api, data: bytes | io.BytesIO, **headers: str) -> tuple[int, dict[str, Any]]:
    async with server.http.post(f"{server.url}/api/v2", data=data, headers=headers) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer imgen_wrong", "Basic imgen_x", "Bearer imgen_é", "imgen_x"],
)
async def test_bad_key_is_unauthorized(shared: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert await raw(shared, b'{"action":"models"}', **headers) == (401, {"error": "Unauthorized"})


async def test_disabled_key_stops_at_the_next_request(server: Api) -> None:
    assert (await server.post({"action": "models"}))[0] == 200
    await Keys(server.redis).disable("test")
    assert await server.post({"action": "models"}) == (401, {"error": "Unauthorized"})


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"models"', b"null", b"\xff", b'{"a":NaN}', b'{"a":"\\ud800"}']
)
async def test_body_that_is_no_object_is_invalid_json(shared: Api, body: bytes) -> None:
    auth = {"Authorization": f"Bearer {shared.key}"}
    assert await raw(shared, body, **auth) == (400, {"error": "Invalid JSON"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing action"),
        ({"action": ""}, "Missing action"),
        ({"action": None}, "Missing action"),
        ({"action": "Models"}, "Unknown action"),
        ({"action": 5}, "Unknown action"),
        ({"action": ["models"]}, "Unknown action"),
        ({"action": {}}, "Unknown action"),
    ],
)
async def test_action_is_named(shared: Api, body: Any, message: str) -> None:
    assert await shared.post(body) == (400, {"error": message})


async def test_checks_come_in_order(shared: Api) -> None:
    assert (await raw(shared, io.BytesIO(b"x" * (9 * 1024 * 1024))))[0] == 413
    assert (await raw(shared, b"{"))[0] == 401


async def test_any_content_type_will_do(shared: Api) -> None:
    headers = {
        "Authorization": f"Bearer {shared.key}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    assert (await raw(shared, b'{"action":"models"}', **headers))[0] == 200


async def test_other_methods_and_paths_are_json_errors(shared: Api) -> None:
    async with shared.http.get(f"{shared.url}/api/v2") as response:
        assert (response.status, await response.json()) == (405, {"error": "Method not allowed"})
        assert response.headers["Allow"] == "POST"
    async with shared.http.get(f"{shared.url}/nothing") as response:
        assert (response.status, await response.json()) == (404, {"error": "Not found"})


async def test_browser_may_ask_and_call(shared: Api) -> None:
    asked = {"Origin": "https://studio.example", "Access-Control-Request-Method": "POST"}
    async with shared.http.options(f"{shared.url}/api/v2", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    async with shared.http.post(
        f"{shared.url}/api/v2", headers={"Origin": "https://studio.example"}
    ) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == "*"
    async with shared.http.get(f"{shared.url}/healthz") as response:  # a cache may serve it to a browser
        assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(("sent", "kept"), [("abc-1.2_3", True), ("a b", False), ("x" * 65, False)])
async def test_request_id_is_the_clients_if_it_is_sane(shared: Api, sent: str, kept: bool) -> None:
    async with shared.http.get(f"{shared.url}/healthz", headers={"X-Request-ID": sent}) as response:
        assert (response.headers["X-Request-ID"] == sent) is kept
        assert response.headers["X-Request-ID"]


async def test_byte_order_mark_before_the_body_is_skipped(shared: Api) -> None:
    body = b"\xef\xbb\xbf" + b'{"action":"models"}'
    headers = {"Authorization": f"Bearer {shared.key}"}
    async with shared.http.post(f"{shared.url}/api/v2", data=body, headers=headers) as response:
        assert response.status == 200


async def test_slash_at_the_end_of_the_path_makes_no_difference(shared: Api) -> None:
    headers = {"Authorization": f"Bearer {shared.key}"}
    async with shared.http.post(
        f"{shared.url}/api/v2/", json={"action": "models"}, headers=headers
    ) as response:
        assert response.status == 200


async def test_page_may_send_whatever_headers_its_monitoring_adds(shared: Api) -> None:
    asked = "authorization,content-type,baggage,sentry-trace"
    headers = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    for names, allowed in (
        (asked, asked),
        (
            "a\tb: c",
            "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Range, "
            "X-Request-ID",
        ),
    ):
        headers["Access-Control-Request-Headers"] = names
        async with shared.http.options(f"{shared.url}/api/v2", headers=headers) as response:
            assert (response.status, response.headers["Access-Control-Allow-Headers"]) == (204, allowed)


async def test_health_readiness_and_metrics(server: Api) -> None:
    async with server.http.get(f"{server.url}/healthz") as response:
        assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with server.http.get(f"{server.url}/readyz") as response:
        told = await response.json()
        parts = told["parts"]
        assert (response.status, parts["redis"], parts["llm"]) == (200, True, False)
        assert told["version"] == __version__
    async with server.http.get(f"{server.url}/metrics") as response:
        text = await response.text()
    assert 'imgen_http_requests_total{route="/healthz",status="200"}' in text
    assert "imgen_certificate_expiring 0.0" in text


async def test_server_that_finds_no_jobs_is_not_ready_until_it_does_again(server: Api) -> None:
    async def ready() -> tuple[int, bool]:
        async with server.http.get(f"{server.url}/readyz") as response:
            return response.status, (await response.json())["parts"]["workers"]

    async def until(wanted: tuple[int, bool]) -> None:
        async with asyncio.timeout(30):
            while await ready() != wanted:
                await asyncio.sleep(0.02)

    assert await ready() == (200, True)
    await server.redis.set("imgen:queue", "not a stream")
    await until((503, False))
    await server.redis.delete("imgen:queue")
    await until((200, True))
    assert (await server.finished())["status"] == "COMPLETED"


async def test_draining_server_takes_no_new_job_and_is_not_ready(server: Api) -> None:
    server.services.gate.closed = True
    async with server.http.post(
        f"{server.url}/api/v2",
        json={"action": "generate", "prompt": PROMPT},
        headers={"Authorization": f"Bearer {server.key}"},
    ) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
    assert (await server.post({"action": "models"}))[0] == 200
    async with server.http.get(f"{server.url}/readyz") as response:
        assert response.status == 503


async def test_models_have_the_published_shape(shared: Api) -> None:
    status, body = await shared.post({"action": "models"})
    assert status == 200
    assert {"aya", "bella"} <= set(body["characters"]) and len(body["characters"]) >= 4
    eros = body["models"]["eros"]
    assert (eros["label"], eros["default_style"]) == ("Eros", "professional")
    assert eros["styles"]["boudoir"] == {"label": "Boudoir"}
    assert len(eros["styles"]) >= 6


async def test_links_that_work_here_alone_are_told_to_the_operator(
    redis: "Redis", redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with api(redis_url, tmp_path, host="0.0.0.0"):
        assert "set IMGEN_PUBLIC_URL" in caplog.text
