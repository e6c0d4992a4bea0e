"""Bytes that a client sends inside its JSON: base64 data URIs."""

import base64
import binascii
import math
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

_HEADER = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)
_SPACE = b" \t\n\r\x0b\x0c"
ONE_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4"
    "nGP6DwABBQECz6AuzQAAAABJRU5ErkJggg=="
)
"""A PNG, as an example."""
# Characters that are read in one go: no other thread runs meanwhile, and the event loop's is one of them.
_PIECE = 1 << 16
_MAX_ESCAPES = _PIECE // 8  # in a piece; `+`, `/` and line breaks are a twentieth of a picture


def from_data_uri(text: str, most: int) -> bytes:
    """At most `most` bytes. Raises ValueError with what is wrong, in words for the client.

    As in browsers, white space and missing padding are forgiven; the declared media type is not believed.
    """
    if not (header := _HEADER.match(text)):
        raise ValueError("expected a base64 data URI")
    encoded = bytearray()
    for piece in _pieces(text, header.end()):
        encoded += _unescape(piece)
    encoded = encoded.rstrip(b"=")
    if len(encoded) > math.ceil(most * 4 / 3):
        raise ValueError(f"larger than {most >> 20} MiB")
    if b"=" in encoded:  # at the end of a piece it would be taken for padding
        raise ValueError("bad base64")
    encoded += b"=" * (-len(encoded) % 4)
    try:
        return b"".join(
            base64.b64decode(encoded[start : start + _PIECE], validate=True)
            for start in range(0, len(encoded), _PIECE)
        )
    except binascii.Error:
        raise ValueError("bad base64") from None


def _pieces(text: str, start: int) -> Iterator[str]:
    """The rest of the text; no escape is cut in two."""
    while start < len(text):
        end = start + _PIECE
        escape = text.rfind("%", end - 2, end)
        end = end if escape < 0 else escape
        yield text[start:end]
        start = end


def _unescape(piece: str) -> bytes:
    """Base64, without white space. Raises ValueError."""
    if not piece.isascii() or piece.count("%") > _MAX_ESCAPES:
        raise ValueError("bad base64")
    return unquote_to_bytes(piece).translate(None, _SPACE)
