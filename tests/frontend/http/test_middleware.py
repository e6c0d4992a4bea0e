from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from frontend.http.middleware import json_response, middleware

Client = TestClient[web.Request, web.Application]
STUDIO, OTHER = "https://studio.example", "https://other.example"


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Of an application that answers at /fine and fails at /broken, with one origin listed."""

    async def fine(request: web.Request) -> web.Response:
        return json_response({})

    async def broken(request: web.Request) -> web.Response:
        raise RuntimeError("secret words")

    app = web.Application(middlewares=[middleware((STUDIO,))])
    app.add_routes([web.get("/fine", fine), web.get("/broken", broken)])
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def test_unexpected_error_is_told_without_a_traceback(client: Client) -> None:
    async with client.get("/broken", headers={"X-Request-ID": "mine"}) as response:
        assert response.status == 500
        assert await response.json() == {"error": "Internal error", "request_id": "mine"}


@pytest.mark.parametrize(("origin", "allowed"), [(STUDIO, STUDIO), (OTHER, None), (None, None)])
@pytest.mark.parametrize("path", ["/fine", "/broken", "/nothing"])
async def test_listed_origin_is_allowed_and_every_answer_varies_by_origin(
    client: Client, path: str, origin: str | None, allowed: str | None
) -> None:
    headers = {} if origin is None else {"Origin": origin}
    async with client.get(path, headers=headers) as response:
        assert response.headers["Vary"] == "Origin"
        assert response.headers.get("Access-Control-Allow-Origin") == allowed
