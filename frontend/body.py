"""A request's body, and the JSON object in it."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from frontend.errors import ApiError


async def read_body(request: web.Request, timeout_s: float) -> bytes:
    """All of it. Raises HTTPRequestEntityTooLarge, and ApiError 408.

    It is read before the key is looked at, so a stranger must not keep it waiting.
    """
    if not request.content.is_eof():
        try:
            async with asyncio.timeout(timeout_s):
                return await request.read()
        except TimeoutError:
            raise ApiError(408, "Request body came too slowly") from None
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
