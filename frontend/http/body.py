"""A request's body, and the JSON object in it."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from frontend.common.errors import ApiError


async def read_body(request: web.Request, timeout_s: float) -> bytes:
    """All of it.

    It is read before the key is looked at, so a stranger must not keep it waiting. Raises
    HTTPRequestEntityTooLarge; ApiError 408; ApiError 400 for what its Content-Encoding does not fit.
    """
    try:
        return await _read(request, timeout_s)
    except TimeoutError:
        raise ApiError(408, "Request body came too slowly") from None
    except web.RequestPayloadError:
        request.content.feed_eof()  # the rest of it cannot be told from the next request
        request.protocol.close()
        raise ApiError(400, "Invalid JSON", {"Connection": "close"}) from None


async def _read(request: web.Request, timeout_s: float) -> bytes:
    if not request.content.is_eof():
        async with asyncio.timeout(timeout_s):
            return await request.read()
    body = request.content.read_nowait()  # small bodies come together with their headers
    if len(body) > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size)
    return body


def read_object(raw: bytes) -> dict[str, Any]:
    """Whatever its content type says. Raises ApiError 400."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "Invalid JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON")
    return body
