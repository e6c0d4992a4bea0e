"""Puts XMP, and in JPEG IPTC's datasets, into a file as our encoders write it. The pixels' bytes stay."""

import struct
import zlib
from collections.abc import Callable, Mapping

from contract import formats
from frontend.cells.structure import boxes
from frontend.domain.picture import File

_JPEG_XMP, _JPEG_IIM = b"http://ns.adobe.com/xap/1.0/\0", b"Photoshop 3.0\0"
_PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"  # not compressed, no language
_PNG_HEAD = 33  # bytes: signature and IHDR
_WEBP_XMP_FLAG = 4
_AVIF_PARTS = [b"hdlr", b"pitm", b"iloc", b"iinf", b"iprp"]
_AVIF_ILOC = b"\0\0\0\0\x44\0\0\1"  # version 0, offsets and lengths of 4 bytes, one item
_AVIF_ITEM = struct.Struct(">HHHII")  # id, in which file, extents, offset and length of the first


def embed(file: File, xmp: bytes, iim: bytes) -> bytes:
    """The larger file. Raises ValueError for one that is not laid out as our encoders do it."""
    return _BY_EXTENSION[file.extension](file.data, xmp, iim)


def _jpeg(data: bytes, xmp: bytes, iim: bytes) -> bytes:
    """After JFIF's own segment, which is the first."""
    if data[:4] != b"\xff\xd8\xff\xe0":
        raise ValueError("expected a JPEG that begins with JFIF")
    at = 4 + int.from_bytes(data[4:6])
    segments = _segment(0xE1, _JPEG_XMP + xmp) + (_segment(0xED, _JPEG_IIM + iim) if iim else b"")
    return data[:at] + segments + data[at:]


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _png(data: bytes, xmp: bytes, iim: bytes) -> bytes:
    body = b"iTXt" + _PNG_XMP + xmp
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_PNG_HEAD] + chunk + data[_PNG_HEAD:]


def _webp(data: bytes, xmp: bytes, iim: bytes) -> bytes:
    """The extended layout: a head with the size, the picture, XMP."""
    kind, payload = data[12:16], data[20:30]
    if kind == b"VP8L":
        bits = int.from_bytes(payload[1:5], "little")
        width, height = bits & 0x3FFF, bits >> 14 & 0x3FFF  # each less 1
    elif kind == b"VP8 ":
        width, height = (int.from_bytes(payload[at : at + 2], "little") - 1 & 0x3FFF for at in (6, 8))
    else:
        raise ValueError("expected a WebP that is nothing but a picture")
    head = bytes([_WEBP_XMP_FLAG, 0, 0, 0]) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    body = b"WEBP" + _chunk(b"VP8X", head) + data[12:] + _chunk(b"XMP ", xmp)
    return _chunk(b"RIFF", body)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def _avif(data: bytes, xmp: bytes, iim: bytes) -> bytes:
    """A second item of the file (ISO 23008-12), which describes the first; it lies behind the picture."""
    top = {kind: bytes(body) for kind, body in boxes(data, 8)}
    parts = {kind: bytes(body) for kind, body in boxes(top.get(b"meta", b"")[4:], 8)}
    if list(top) != [b"ftyp", b"meta", b"mdat"] or list(parts) != _AVIF_PARTS:
        raise ValueError("expected an AVIF of one picture")
    iloc, iinf = parts[b"iloc"], parts[b"iinf"]
    if not iloc.startswith(_AVIF_ILOC):
        raise ValueError("expected an AVIF of one item")
    first, *_, offset, length = _AVIF_ITEM.unpack_from(iloc, len(_AVIF_ILOC))
    entry = b"\2\0\0\0" + struct.pack(">HH", first + 1, 0) + b"mimeXMP\0application/rdf+xml\0"
    reference = _box(b"cdsc", struct.pack(">HHH", first + 1, 1, first))

    def meta(grown: int) -> bytes:
        places = [(first, offset + grown, length), (first + 1, len(data) + grown, len(xmp))]
        items = b"".join(_AVIF_ITEM.pack(item, 0, 1, at, size) for item, at, size in places)
        new = parts | {
            b"iloc": _AVIF_ILOC[:-1] + b"\2" + items,
            b"iinf": iinf[:4] + struct.pack(">H", 2) + iinf[6:] + _box(b"infe", entry),
        }
        order = [*_AVIF_PARTS[:-1], b"iref", _AVIF_PARTS[-1]]
        new[b"iref"] = bytes(4) + reference
        return _box(b"meta", top[b"meta"][:4] + b"".join(_box(kind, new[kind]) for kind in order))

    grown = len(meta(0)) - len(top[b"meta"]) - 8
    return _box(b"ftyp", top[b"ftyp"]) + meta(grown) + _box(b"mdat", top[b"mdat"] + xmp)


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body


_BY_EXTENSION: Mapping[str, Callable[[bytes, bytes, bytes], bytes]] = {
    formats.JPEG.extension: _jpeg,
    formats.PNG.extension: _png,
    formats.WEBP.extension: _webp,
    formats.AVIF.extension: _avif,
}
