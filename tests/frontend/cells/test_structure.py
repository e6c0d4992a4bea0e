"""What a file says of its parts is held against what is there, before a decoder believes it."""

import io
import struct
from typing import Any

import pytest
from PIL import Image

from frontend.cells.jumbf import MAX_DEPTH, MAX_ITEMS, check_cbor, check_jumbf
from frontend.cells.picture_file import format_of
from frontend.cells.structure import MAX_OTHER_PARTS, MAX_SCANS, MAX_TEXT_BYTES, TOO_LONG, Unsound
from frontend.domain.picture import Encoding
from frontend.finishing.encode import encode
from tests import bombs
from tests.frontend.finishing.pictures import credentials, scene
from tests.frontend.verification.test_manifest import OURS


def picture(kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(scene(64, 48)).save(stream, kind, **options)
    return stream.getvalue()


def check(data: bytes) -> bytes:
    kind = format_of(data)
    assert kind is not None
    return kind.check(data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF"])
def test_picture_without_a_manifest_is_sound(kind: str) -> None:
    assert check(picture(kind)) == b""
    assert check(picture(kind, comment=b"x" * 3000) if kind == "GIF" else picture(kind, exif=_exif())) == b""


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "a description with \xff\xda in it"
    return exif


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("title", ["short", "long"])
def test_manifest_is_found_whole_and_is_sound(kind: str, title: str) -> None:
    """A prompt of 4,000 characters; in JPEG, what is larger than 64 KiB lies in several segments."""
    said = credentials(prompt="tree, " * 600) if title == "long" else credentials()
    plain = encode(scene(64, 48), Encoding(format=kind, quality=95, lossless=False))
    store = check(OURS.sign(plain, said).data)
    assert struct.unpack_from(">I4s", store) == (len(store), b"jumb")
    check_jumbf(store)


def test_manifest_in_several_segments_of_a_jpeg_is_one() -> None:
    store = b"\0\0\0\x14jumb" + bytes(range(12))
    parts = [store[:12], store[:8] + store[12:]]
    segments = b"".join(
        b"\xff\xeb" + struct.pack(">H2sHI", 10 + len(part), b"JP", 1, number) + part
        for number, part in enumerate(parts, 1)
    )
    assert check(b"\xff\xd8" + segments + picture("JPEG")[2:]) == store


def test_scans_of_a_jpeg_are_counted() -> None:
    check(bombs.scans(64, 64, MAX_SCANS))
    with pytest.raises(Unsound, match=TOO_LONG):
        check(bombs.scans(64, 64, MAX_SCANS + 1))


def test_segments_of_a_jpeg_are_counted() -> None:
    comment = b"\xff\xfe\0\2"
    with pytest.raises(Unsound, match=TOO_LONG):
        check(b"\xff\xd8" + comment * (MAX_OTHER_PARTS + 2) + picture("JPEG")[2:])


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"tEXt", b"a\0b")] * (MAX_OTHER_PARTS + 1),
        [(b"zTXt", bytes(MAX_TEXT_BYTES + 1))],
        [(b"iCCP", bytes(MAX_TEXT_BYTES + 1))],
    ],
)
def test_chunks_of_a_png_are_counted_and_measured(chunks: list[tuple[bytes, bytes]]) -> None:
    check(bombs.png(chunks[0]) if len(chunks) > 1 else bombs.png())
    with pytest.raises(Unsound, match=TOO_LONG):
        check(bombs.png(*chunks))


@pytest.mark.parametrize(
    "data",
    [
        bombs.png()[:33] + b"\x7f\xff\xff\xfftEXt" + bombs.png()[33:],
        picture("WEBP")[:16] + b"\xff\xff\xff\x7f" + picture("WEBP")[20:],
        b"\xff\xd8\xff\xe1\xff\xff" + picture("JPEG")[2:200],
        b"\xff\xd8\xff\xe1\0\1" + picture("JPEG")[2:],
        picture("AVIF")[:32] + b"\xff\xff\xff\xffuuid" + picture("AVIF")[32:],
        picture("AVIF")[:32] + b"\0\0\0\1uuid\xff" + bytes(7) + picture("AVIF")[32:],
        picture("AVIF")[:32] + b"\0\0\0\7uuid" + picture("AVIF")[32:],
    ],
    ids=["png", "webp", "jpeg, long", "jpeg, short", "avif", "avif, 64 bits", "avif, short"],
)
def test_part_that_claims_more_than_there_is_is_unsound(data: bytes) -> None:
    with pytest.raises(Unsound):
        check(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("more", [b"\0", b"with kind regards, somebody", bytes(range(256)) * 4])
def test_what_stands_after_a_picture_is_nobody_s_concern(kind: str, more: bytes) -> None:
    found = format_of(picture(kind))
    assert found is not None
    assert found.check(picture(kind) + more) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x20",
        b"\xf6",
        b"\x83\x01\x02\x03",
        b"\xa1\x61a\x81\x18\x20",
        b"\x9f\x01\x82\x02\x03\xff",
        b"\x5f\x42ab\x41c\xff",
        b"\xfb" + bytes(8),
        b"\xd2\x84\x43\xa1\x01\x26\xa0\xf6\x40",
    ],
)
def test_whole_cbor_is_sound(data: bytes) -> None:
    check_cbor(data)
    check_cbor(b"\x82" + data + data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x5a\x2b\xc0\x00\x00abc",
        b"\x7b" + b"\xff" * 8,
        b"\x42a",
        b"\x9a\xff\xff\xff\xff\x01",
        b"\xba\x00\x00\x10\x00\x01\x01",
        b"\x83\x01\x02",
        b"\x9f\x01\x02",
        b"\xff",
        b"\x82\x01\xff",
        b"\xd2\x84\x47\xa1\x01\x5a\x2b\xc0\x00\x00\xa0\xf6\x40",
        b"\x81" * (MAX_DEPTH + 1) + b"\x01",
        b"\x9f" * (MAX_DEPTH + 1),
        b"\xc1" * (MAX_DEPTH + 2) + b"\x01",
        b"\x9f" + b"\x01" * MAX_ITEMS + b"\xff",
    ],
)
def test_cbor_that_claims_what_is_not_there_or_goes_deep_is_unsound(data: bytes) -> None:
    with pytest.raises(Unsound):
        check_cbor(data)


def test_boxes_that_go_deep_are_unsound() -> None:
    box = b""
    for _ in range(MAX_DEPTH + 2):
        box = struct.pack(">I4s", 8 + len(box), b"jumb") + box
    with pytest.raises(Unsound, match=TOO_LONG):
        check_jumbf(box)
