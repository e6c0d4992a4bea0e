"""JSON files of strangers: an object, of bounded size and depth."""

import json
from pathlib import Path
from typing import Any, TypeVar

from export.errors import ExportError, first_line

T = TypeVar("T", dict[str, Any], list[Any])
MAX_JSON_BYTES = 4 << 20
MAX_VOCABULARY_BYTES = 64 << 20
"""Of a tokenizer's files; CLIP's have 4 MB."""


def read_bytes(path: Path, limit: int = MAX_JSON_BYTES) -> bytes:
    """Raises ExportError."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ExportError(f"Cannot read {path}: it is no file")
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ExportError(f"Cannot read {path}: {error.strerror}") from None
    if len(data) > limit:
        raise ExportError(f"Cannot read {path}: it is larger than {limit >> 20} MiB")
    return data


def read_json(path: Path, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Raises ExportError."""
    return parse_json(read_bytes(path, limit), str(path), dict)


def parse_json(data: bytes | str, name: str, kind: type[T]) -> T:
    """`name`: of the file, or of what in it. Raises ExportError."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ExportError(f"Cannot read {name}: it is nested too deeply") from None
    except ValueError as error:
        raise ExportError(f"Cannot read {name}: {first_line(error)}") from None
    if not isinstance(found, kind):
        raise ExportError(f"Cannot read {name}: expected {'an object' if kind is dict else 'a list'} of JSON")
    return found
