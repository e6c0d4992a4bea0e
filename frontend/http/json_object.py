"""The JSON object of a request. Only its own fields are built: what they nest is looked over and left."""

import hashlib
from typing import Any

import msgspec
import orjson

from frontend.common.errors import ApiError

MAX_FIELDS = 100
MAX_OTHER_TEXT = 8_192  # characters of text that is not ASCII; pictures are, and no other field takes as many


class Nested(msgspec.Struct, frozen=True):
    """An array or object: no field is one, so nothing of it is needed but whether it is the same again."""

    digest: str  # SHA-256 of its JSON


_BYTE_ORDER_MARK, _NULL = b"\xef\xbb\xbf", b"null"
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_object(raw: bytes | bytearray) -> dict[str, Any]:
    """Text, numbers, booleans and Nested by name; what is null was not sent. Raises ApiError 400."""
    if raw.startswith(_BYTE_ORDER_MARK):
        raw = raw[len(_BYTE_ORDER_MARK) :]
    try:
        if raw.count(b"{") + raw.count(b"[") == 1:  # nothing is nested: as quick as can be
            return {name: value for name, value in _few(orjson.loads(raw)).items() if value is not None}
        if not raw.isascii():
            raw.decode()  # what is nested is not decoded otherwise
        found = _few(_fields(raw))
        views = ((name, memoryview(value)) for name, value in found.items())
        return {name: _value(view) for name, view in views if view != _NULL}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ApiError(400, "Invalid JSON") from None


def _few(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ApiError(400, "Invalid JSON")
    if len(found) > MAX_FIELDS:
        raise ApiError(400, f"Invalid JSON: more than {MAX_FIELDS} fields")
    return found


def _value(raw: memoryview) -> Any:
    if raw[0] in b"[{":
        return Nested(hashlib.sha256(raw).hexdigest())
    return orjson.loads(raw)


def shorten(fields: dict[str, Any]) -> dict[str, Any]:
    """Long text that is not ASCII is cut: reading it would take the event loop's time, for a refusal."""
    return {
        name: value.strip()[:MAX_OTHER_TEXT] if isinstance(value, str) and not value.isascii() else value
        for name, value in fields.items()
    }
