"""A request's body as a JSON object."""

from typing import Any

import orjson

from frontend.errors import ApiError


def read_object(raw: bytes) -> dict[str, Any]:
    """Whatever its content type says. Raises ApiError 400."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ApiError(400, "Invalid JSON") from None
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON")
    return body
