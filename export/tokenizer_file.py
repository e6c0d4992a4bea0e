"""A tokenizer.json of a stranger. It comes to be run on every prompt, and so do the patterns in it."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from export.errors import ExportError, first_line
from export.json_file import MAX_VOCABULARY_BYTES, read_json


def read_tokenizer(path: Path, patterns: Collection[str] = ()) -> Tokenizer:
    """`patterns`: the regular expressions that may stand in it; others could take any time.

    Raises ExportError.
    """
    found = read_json(path, MAX_VOCABULARY_BYTES)
    try:
        for pattern in _patterns(found):
            if pattern not in patterns:
                raise ExportError(f"{path} has a pattern that is not expected in one: {str(pattern)[:80]!r}")
        return Tokenizer.from_str(json.dumps(found))
    except ExportError:
        raise
    except Exception as error:  # tokenizers raises Exception itself
        raise ExportError(f"Cannot load {path}: {first_line(error)}") from None


def _patterns(value: Any) -> Iterator[Any]:
    """Whatever the library takes for a regular expression. Not in the vocabulary, where it may be a word."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "Regex":
                yield inner
            elif key not in ("vocab", "merges"):
                yield from _patterns(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _patterns(inner)
