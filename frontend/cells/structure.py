"""What a picture file says of its own parts, looked at before any decoder does.

Each function walks one format and raises Unsound. It also gives where a C2PA manifest lies, if one does.
"""

import re
import struct
from collections.abc import Iterator

MAX_SCANS = 100
"""Of a progressive JPEG, which has ten or so. Each is a pass over the whole picture, however short it is."""
MAX_PARTS = 20_000
"""Segments, chunks, boxes of one file. libpng writes 8 KiB at a time: so many make 160 MB."""
MAX_OTHER_PARTS = 2_000
"""Of these, what holds no pixels: decoders keep each in memory."""
MAX_TEXT_BYTES = 1 << 20
"""Of one chunk that is unpacked (zTXt, iTXt, iCCP): what Pillow unpacks at most."""
TOO_LONG = "takes too long to decode"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOS, _EOI, _APP11 = 0xDA, 0xD9, 0xEB
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length
_PACKED = frozenset({b"zTXt", b"iTXt", b"iCCP"})


class Unsound(ValueError):
    """No file that is read here. Its text is empty where the caller's word for "damaged" fits best."""


def check_jpeg(data: bytes) -> bytes:
    manifest: list[bytes] = []
    scans, at = 0, 0
    for count in range(MAX_PARTS):
        found = _MARKER.search(data, at)
        if found is None or (marker := data[found.start() + 1]) == _EOI:
            return b"".join(manifest)
        at = found.end()
        if marker in _ALONE:
            continue
        length = int.from_bytes(data[at : at + 2])
        if length < 2 or at + length > len(data):
            raise Unsound
        if marker == _SOS:
            scans += 1
        elif count > MAX_OTHER_PARTS:
            raise Unsound(TOO_LONG)
        elif marker == _APP11 and data[at + 2 : at + 4] == b"JP":
            # A box that goes on in the next segment says there again what it is: 8 bytes.
            first = data[at + 6 : at + 10] == b"\0\0\0\1"
            manifest.append(data[at + (10 if first else 18) : at + length])
        if scans > MAX_SCANS:
            raise Unsound(TOO_LONG)
        at += length
    raise Unsound(TOO_LONG)


def check_png(data: bytes) -> bytes:
    manifest, others, at = b"", 0, len(PNG_MAGIC)
    for _ in range(MAX_PARTS):
        if at + 12 > len(data):
            return manifest
        length, kind = struct.unpack_from(">I4s", data, at)
        # What is cut off in its pixels is for the decoder to tell.
        if kind != b"IDAT" and at + 12 + length > len(data):
            raise Unsound
        others += kind not in (b"IDAT", b"fdAT")
        if others > MAX_OTHER_PARTS or (kind in _PACKED and length > MAX_TEXT_BYTES):
            raise Unsound(TOO_LONG)
        if kind == b"caBX":
            manifest = data[at + 8 : at + 8 + length]
        if kind == b"IEND":
            return manifest
        at += 12 + length
    raise Unsound(TOO_LONG)


def check_webp(data: bytes) -> bytes:
    manifest, at = b"", 12
    end = min(len(data), 8 + int.from_bytes(data[4:8], "little"))  # what comes after it no reader looks at
    for _ in range(MAX_OTHER_PARTS):
        if at + 8 > end:
            return manifest
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise Unsound
        if kind == b"C2PA":
            manifest = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise Unsound(TOO_LONG)


def check_avif(data: bytes) -> bytes:
    manifest, seen = b"", set()
    try:
        for kind, body in boxes(data, MAX_OTHER_PARTS):
            seen.add(kind)
            # After the UUID: version and flags, a purpose that ends with 0, an offset of 8 bytes.
            if kind == b"uuid" and bytes(body[:16]) == C2PA_UUID and bytes(body[20:29]) == b"manifest\0":
                manifest = bytes(body[37:])
    except Unsound as error:
        if error.args or not {b"meta", b"mdat"} <= seen:  # what was put at the end no reader looks at
            raise
    return manifest


def check_gif(data: bytes) -> bytes:
    """Only its first picture is decoded, so its parts are not counted."""
    at = data.find(b"C2PA_GIF")
    return _sub_blocks(data, at + 11) if at > 0 else b""


def boxes(data: bytes | memoryview, most: int) -> Iterator[tuple[bytes, memoryview]]:
    """Type and body of each box (ISO 14496-12, ISO 19566-5). Raises Unsound where one is not all there."""
    rest, count = memoryview(data), 0
    while len(rest) >= 8:
        size, kind = struct.unpack_from(">I4s", rest)
        head = 8
        if size == 1 and len(rest) >= 16:
            size, head = int.from_bytes(rest[8:16]), 16
        elif size == 0:
            size = len(rest)
        count += 1
        if not head <= size <= len(rest):
            raise Unsound
        if count > most:
            raise Unsound(TOO_LONG)
        yield kind, rest[head:size]
        rest = rest[size:]


def _sub_blocks(data: bytes, at: int) -> bytes:
    parts = []
    while at < len(data) and (length := data[at]):
        parts.append(data[at + 1 : at + 1 + length])
        at += 1 + length
    return b"".join(parts)
