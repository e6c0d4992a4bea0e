"""Odd pictures are answered, bombs are refused before they are decoded."""

import io
import struct
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from frontend.cells.cells import Cells
from frontend.finishing.authority import issue
from frontend.invisible_mark.codes import Codes
from frontend.services import CELL_LIMITS, FOREIGN_BYTES
from frontend.verification.decode import MAX_SIDE, UnreadablePicture
from frontend.verification.manifest import ManifestReader
from frontend.verification.sighting import decode, look
from tests import bombs

CODES = Codes.of(b"a secret for tests, 32 bytes long")
CHAIN = issue()[0]


def file_of(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that says its size, and has no more to say."""
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + struct.pack(">I", zlib.crc32(ihdr))
    return head + struct.pack(">I", 1000) + b"IDAT"


def turned_by_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return file_of(Image.new("RGB", (200, 100), "red"), "JPEG", exif=exif)


GREY16 = Image.fromarray(np.full((120, 160), 0x8000, np.uint16))
ODD: dict[str, bytes] = {
    "one pixel": file_of(Image.new("RGB", (1, 1), "red"), "PNG"),
    "one pixel, jpeg": file_of(Image.new("L", (1, 1)), "JPEG"),
    "16 bits": file_of(GREY16, "PNG"),
    "cmyk": file_of(Image.new("CMYK", (160, 120), (0, 255, 255, 0)), "JPEG"),
    "palette": file_of(Image.new("P", (160, 120), 3), "PNG"),
    "palette with transparency": file_of(Image.new("P", (160, 120), 3), "GIF", transparency=3),
    "black and white": file_of(Image.new("1", (160, 120), 1), "PNG"),
    "transparent": file_of(Image.new("RGBA", (160, 120), (255, 0, 0, 0)), "WEBP", lossless=True),
    "animated gif": file_of(
        Image.new("RGB", (160, 120), "red"),
        "GIF",
        save_all=True,
        append_images=[Image.new("RGB", (160, 120), "blue")],
    ),
    "animated webp": file_of(
        Image.new("RGB", (160, 120), "red"),
        "WEBP",
        save_all=True,
        append_images=[Image.new("RGB", (160, 120), "blue")],
    ),
    "avif": file_of(Image.new("RGB", (160, 120), "red"), "AVIF"),
    "long": file_of(Image.new("RGB", (MAX_SIDE, 2), "red"), "PNG"),
    "turned": turned_by_exif(6),
    "turned by nonsense": turned_by_exif(77),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_picture_is_answered(cells: Cells, kind: str) -> None:
    seen = look(ODD[kind], (CODES,), ManifestReader(CHAIN, cells), cells)
    assert (seen.manifest, seen.reading) == (None, None)


def test_moving_picture_is_its_first_frame(cells: Cells) -> None:
    for kind in ("animated gif", "animated webp"):
        red, _, blue = decode(ODD[kind], cells)[60, 80]
        assert red > 200 > blue


def test_picture_is_seen_as_a_viewer_shows_it(cells: Cells) -> None:
    assert decode(turned_by_exif(6), cells).shape == (200, 100, 3)
    assert decode(turned_by_exif(1), cells).shape == (100, 200, 3)
    assert (decode(ODD["transparent"], cells) == 255).all()
    assert (decode(ODD["16 bits"], cells) == 0x80).all()
    red, green, _ = decode(ODD["cmyk"], cells)[60, 80]
    assert red > 200 > green


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png_header(50_000, 50_000), "more than 24 million pixels"),
        (png_header(20_000, 2), f"{MAX_SIDE} a side"),
        (png_header(5_000, 5_000), "more than 24 million pixels"),
        (png_header(100, 100), "expected a whole"),
        (b"", "expected a whole"),
        (b"GIF89a", "expected a whole"),
        (b"%PDF-1.7", "expected a whole"),
        (ODD["avif"][:200], "expected a whole"),
        (file_of(Image.effect_noise((300, 300), 50), "JPEG")[:2000], "expected a whole"),
        (file_of(Image.new("RGB", (9, 9)), "BMP"), "expected a whole"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "expected a whole"),
    ],
)
def test_bombs_and_what_is_no_picture_are_refused(cells: Cells, data: bytes, message: str) -> None:
    with pytest.raises(UnreadablePicture, match=message):
        decode(data, cells)


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"cpu_s": 0.3}, "takes too long to decode"),
        ({"memory_bytes": 24 << 20}, "(takes too much memory to decode|expected a whole)"),
    ],
)
def test_picture_that_no_check_stops_is_ended_by_its_cells_own_limit(
    limits: dict[str, Any], words: str
) -> None:
    cells = Cells(FOREIGN_BYTES, replace(CELL_LIMITS, wall_s=60, **limits), 1)
    try:
        with pytest.raises(UnreadablePicture, match=words):
            decode(bombs.scans(4896, 4896, 100), cells)
        assert decode(bombs.png(), cells).shape == (8, 8, 3)
    finally:
        cells.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "kind", "options"),
    [
        ("RGB", "JPEG", {"progressive": True}),
        ("CMYK", "JPEG", {}),
        ("RGBA", "PNG", {"compress_level": 1}),
        ("I;16", "PNG", {"compress_level": 1}),
        ("RGBA", "WEBP", {"method": 0}),
        ("RGBA", "WEBP", {"lossless": True, "method": 0}),
        ("P", "GIF", {}),
    ],
)
def test_largest_picture_that_is_let_in_is_within_the_limits(
    cells: Cells, mode: str, kind: str, options: dict[str, Any]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = {"exif": exif} if kind != "GIF" else {}
    data = file_of(Image.new(mode, (6000, 4000)), kind, **options, **turned)
    assert decode(data, cells).shape == ((4000, 6000, 3) if kind == "GIF" else (6000, 4000, 3))
