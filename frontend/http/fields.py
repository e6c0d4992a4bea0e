"""Reading one field of a JSON body: the right type or a 400 that says what was expected."""

from collections.abc import Mapping
from typing import Any

from frontend.common.errors import ApiError

Body = Mapping[str, Any]


def _invalid(name: str, expected: str) -> ApiError:
    return ApiError(400, f"Invalid {name}: expected {expected}")


def text(body: Body, name: str, default: str = "", *, most: int | None = 1_000) -> str:
    """Trimmed text of at most `most` characters (None: as many as a body may have), storable as UTF-8."""
    value = body.get(name, default)
    if not isinstance(value, str):
        raise _invalid(name, "string")
    value = value.strip()
    if most is not None and len(value) > most:
        raise _invalid(name, f"string of at most {most} characters")
    return value


def boolean(body: Body, name: str) -> bool:
    """A JSON boolean; false where absent."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _invalid(name, "boolean")
    return value


def integer(body: Body, name: str, default: int, low: int, high: int, *, clamp: bool = True) -> int:
    """A whole number, also as 5.0. Out of range it is clamped, or refused where no other one would do."""
    expected = f"integer {low} to {high}"
    value = whole_number(body, name, default, expected)
    if not clamp and not low <= value <= high:
        raise _invalid(name, expected)
    return min(max(value, low), high)


def whole_number(body: Body, name: str, default: int, expected: str) -> int:
    """Of any size, also as 5.0."""
    value = body.get(name, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _invalid(name, expected)
    return value
