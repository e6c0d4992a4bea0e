"""Small files that cost their reader much."""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

from PIL import Image

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG of one grey in `count` scans, each a pass over the whole picture in 33 bytes."""
    stream = io.BytesIO()
    Image.new("L", (width, height), 128).save(stream, "JPEG", progressive=True, quality=50)
    *parts, last, end = _segments(stream.getvalue())
    first = sum(part[1] == 0xDA for part in (*parts, last))
    return b"".join((*parts, last, last * (count - first), end))


def _segments(jpeg: bytes) -> Iterator[bytes]:
    """A scan's with its data."""
    places = [0, *(found.start() for found in _MARKER.finditer(jpeg, 2)), len(jpeg)]
    yield from (jpeg[start:end] for start, end in pairwise(places))


def byte_strings(signed: bytes, claimed: int) -> Iterator[bytes]:
    """`signed`, where one CBOR box after the other begins with a byte string that claims so many bytes."""
    for found in re.finditer(rb"cbor", signed):
        size = int.from_bytes(signed[found.start() - 4 : found.start()])
        if 16 < size < 10_000:
            at = found.end()
            yield signed[:at] + b"\x5a" + struct.pack(">I", claimed) + signed[at + 5 :]


def png(*chunks: tuple[bytes, bytes], width: int = 8, height: int = 8) -> bytes:
    """Grey, with `chunks` between header and pixels."""
    header = (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = (b"IDAT", zlib.compress(bytes((width + 1) * height)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (header, *chunks, pixels, (b"IEND", b""))
    )
