"""A body's fields as they come out of a cell, in which large bodies are parsed (body_parser.py)."""

from typing import Any

import msgspec

from frontend.common.errors import ApiError
from frontend.http.json_object import Nested, read_object, shorten


class ParsedBody(msgspec.Struct, frozen=True):
    fields: dict[str, str | int | float | bool | Nested | None]


_decode = msgspec.msgpack.Decoder(ParsedBody).decode


def parse(raw: bytes) -> bytes:
    """In the cell. Raises ValueError in the words of an ApiError 400."""
    try:
        return msgspec.msgpack.encode(ParsedBody(shorten(read_object(raw))))
    except ApiError as error:
        raise ValueError(error.message) from None


def unpack(answer: bytes) -> dict[str, Any]:
    """As json_object.read_object gives them. Raises msgspec.MsgspecError where no `parse` wrote it."""
    return _decode(answer).fields
