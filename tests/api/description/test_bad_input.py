"""Whatever is wrong with a request, at whichever address: one JSON error, in words of the table."""

import io
import re
from typing import Any

import pytest
from yarl import URL

from frontend.actions.api import api
from frontend.description.errors import ERRORS
from frontend.http.route import Route
from frontend.openai.images import images
from frontend.routes import OPERATORS_ROUTES, ROUTES
from tests.api.harness import Api

EVERYTHING = (*ROUTES, *OPERATORS_ROUTES)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


async def refusal(server: Api, method: str, path: str, **sent: Any) -> tuple[int, str]:
    async with server.http.request(method, f"{server.url}{path}", **sent) as response:
        assert response.content_type == "application/json"
        answer = await response.json()
        assert set(answer) <= {"error", "detail"} and response.headers["X-Request-ID"]
        words = told(answer["error"]) if path.startswith("/v1/") else answer["error"]
        rows = [row for row in ERRORS if row.status == response.status]
        assert any(re.fullmatch(row.pattern, words) for row in rows), answer
        if response.status == 405:
            assert response.headers["Allow"]
        return response.status, words


def told(error: dict[str, Any]) -> str:
    """The words of one in OpenAI's form."""
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] in ("invalid_request_error", "server_error", "requests")
    return str(error["message"])


@pytest.mark.parametrize("route", EVERYTHING, ids=lambda route: route.path)
async def test_wrong_method(shared: Api, route: Route) -> None:
    for method in METHODS:
        if method == route.method:
            continue
        path = re.sub(r"\{\w+\}", "a", route.plain_path)
        assert await refusal(shared, method, path) == (405, "Method not allowed")


@pytest.mark.parametrize(
    "path",
    [
        *("/docs/", "/docs/page.html", "/docs/../docs/x", "/openapi", "/api", "/%00", "/api/v2/x"),
        *("/v1/", "/v1/images", "/v1/images/edits", "/v1/models/", "/v1/models/a/b", "/v1/%00"),
    ],
)
async def test_unknown_address(shared: Api, path: str) -> None:
    assert await refusal(shared, "GET", path) == (404, "Not found")


async def test_head_says_what_get_says(shared: Api) -> None:
    for route in EVERYTHING:
        free = "{" not in route.path and not route.with_key
        if route.method == "GET" and free and route.path not in ("/readyz", "/metrics"):
            async with shared.http.get(f"{shared.url}{route.path}") as whole:
                length = whole.headers["Content-Length"]
            async with shared.http.head(f"{shared.url}{route.path}") as head:
                assert (head.status, head.headers["Content-Length"], await head.read()) == (200, length, b"")


@pytest.mark.parametrize(
    "route", [each for each in EVERYTHING if each.handler in (api, images)], ids=lambda route: route.path
)
async def test_wrong_key_size_encoding_and_body(shared: Api, route: Route) -> None:
    key = {"Authorization": f"Bearer {shared.key}"}

    async def refused(headers: dict[str, str], data: bytes | io.BytesIO = b"{}") -> tuple[int, str]:
        return await refusal(shared, "POST", route.path, headers=headers, data=data)

    assert await refused({}) == (401, "Unauthorized")
    assert await refused({"Authorization": "Bearer x"}) == (401, "Unauthorized")
    assert await refused({"Authorization": f"Basic {shared.key}"}) == (401, "Unauthorized")
    assert await refused({**key, "Content-Encoding": "gzip"}) == (415, "Content-Encoding is not supported")
    large = io.BytesIO(b" " * (shared.settings.max_body_mb * 1024 * 1024 + 1))
    assert await refused(key, large) == (413, "Request body is too large")
    for body in (b"", b"[]", b"\xff", b'{"a":', b"[" * 100_000, b'"a"'):
        assert await refused(key, body) == (400, "Invalid JSON")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/eros"])
async def test_address_that_is_read_with_a_key_is_refused_without(shared: Api, path: str) -> None:
    key = {"Authorization": f"Bearer {shared.key}"}
    for headers in ({}, {"Authorization": "Bearer x"}):
        assert await refusal(shared, "GET", path, headers=headers) == (401, "Unauthorized")
    gzip = {**key, "Content-Encoding": "gzip"}
    assert await refusal(shared, "GET", path, headers=gzip) == (415, "Content-Encoding is not supported")
    large = io.BytesIO(b" " * (shared.settings.max_body_mb * 1024 * 1024 + 1))
    assert await refusal(shared, "GET", path, headers=key, data=large) == (413, "Request body is too large")


@pytest.mark.parametrize(
    "name", ["Eros", "eros%0a", "%00", "..", "%2e%2e%2feros", "a" * 4_000, "%ff", "@aya"]
)
async def test_unknown_model_is_404_whatever_its_name(shared: Api, name: str) -> None:
    url = URL(f"{shared.url}/v1/models/{name}", encoded=True)
    async with shared.http.get(url, headers={"Authorization": f"Bearer {shared.key}"}) as response:
        error = (await response.json())["error"]
    assert (response.status, error["type"]) == (404, "invalid_request_error"), error
