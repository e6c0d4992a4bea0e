import base64
import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, UnidentifiedImageError

from frontend.cells.cells import Cells
from frontend.cells.limits import LimitPassed
from frontend.common.errors import ApiError
from frontend.finishing.mark_pixels import MAX_PIXELS, pack, unpack
from frontend.finishing.wm_image import MAX_BYTES, from_data_uri, read_mark

from .pictures import block, data_uri, file_of, scene


def refusal(cells: Cells, text: str) -> str:
    with pytest.raises(ApiError) as caught:
        from_data_uri(text, cells)
    assert caught.value.status == 400
    return caught.value.message.removeprefix("Invalid wm_image: ")


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises more than it holds."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, body, b"IEND")
    )


def animation(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return file_of(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_three_formats_are_taken(cells: Cells, kind: str) -> None:
    data = file_of(Image.new("RGB", (30, 20), "blue"), kind)
    mark = unpack(from_data_uri(data_uri(data, "application/octet-stream"), cells))
    assert (mark.mode, mark.size) == ("RGBa", (30, 20))
    red, green, blue, alpha = mark.tobytes()[:4]
    assert red + green < 10 and blue > 245 and alpha == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_png_colour_type_is_taken(cells: Cells, mode: str) -> None:
    assert from_data_uri(data_uri(file_of(Image.new(mode, (5, 5)))), cells)


def test_cmyk_jpeg_is_taken(cells: Cells) -> None:
    assert from_data_uri(data_uri(file_of(Image.new("CMYK", (5, 5)), "JPEG")), cells)


def test_what_browsers_forgive_is_forgiven(cells: Cells) -> None:
    data = block()
    wrapped = base64.encodebytes(data).decode().rstrip("=\n")
    text = "DATA:image/png;charset=utf-8;BASE64," + wrapped.replace("+", "%2B")
    assert from_data_uri(text, cells) == from_data_uri(data_uri(data), cells)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("https://example.com/mark.png", "expected a base64 data URI"),
        ("data:image/png,abc", "expected a base64 data URI"),
        (base64.b64encode(block()).decode(), "expected a base64 data URI"),
        ("data:image/png;base64,a*b!", "bad base64"),
        ("data:image/png;base64,aaaaa", "bad base64"),
        ("data:image/png;base64,äöü", "bad base64"),
        ("data:image/png;base64,", "expected PNG, JPEG or WebP"),
        (
            data_uri(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            "expected PNG, JPEG or WebP",
        ),
        (data_uri(file_of(Image.new("P", (5, 5)), "GIF"), "image/gif"), "expected PNG, JPEG or WebP"),
        (data_uri(file_of(Image.new("RGB", (5, 5)), "BMP")), "expected PNG, JPEG or WebP"),
        (data_uri(file_of(Image.new("RGB", (5, 5)), "AVIF")), "expected PNG, JPEG or WebP"),
        (data_uri(bytes(MAX_BYTES + 1)), "larger than 4 MiB"),
        (data_uri(bytes(6_000_000)), "larger than 4 MiB"),
        (data_uri(file_of(Image.new("L", (4097, 1)))), "larger than 4096 px a side"),
        (data_uri(png_header(60_000, 60_000)), "larger than 4096 px a side"),
        (data_uri(png_header(4000, 4000)), "damaged file"),
        (data_uri(png_header(0, 0)), "damaged file"),
        (data_uri(animation("PNG")), "animated pictures are not accepted"),
        (data_uri(animation("WEBP")), "animated pictures are not accepted"),
    ],
)
def test_refusal_says_why(cells: Cells, text: str, reason: str) -> None:
    assert refusal(cells, text) == reason


def test_webp_bomb_is_refused_by_its_header(cells: Cells) -> None:
    data = bytearray(file_of(Image.new("RGB", (64, 64)), "WEBP"))
    data[26:30] = struct.pack("<HH", 16_383, 16_383)
    assert refusal(cells, data_uri(bytes(data))) == "larger than 4096 px a side"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_truncated_file_is_damaged(cells: Cells, kind: str) -> None:
    data = file_of(Image.fromarray(scene(64, 64)), kind)
    assert refusal(cells, data_uri(data[: len(data) * 2 // 3])) == "damaged file"


@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    at=st.floats(0, 1),
    value=st.integers(0, 255),
    cut=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_damaged_bytes_are_refused_or_read(kind: str, at: float, value: int, cut: bool) -> None:
    data = bytearray(file_of(Image.fromarray(scene(24, 24)), kind))
    place = int(at * (len(data) - 1))
    data[place] = value
    with contextlib.suppress(ValueError):  # anything else fails the test
        read_mark(bytes(data[:place] if cut else data))


@pytest.mark.parametrize("size", [(4096, 4096), (4096, 1), (3000, 500)])
def test_large_mark_keeps_its_aspect_and_no_more_pixels_than_a_picture_has(
    cells: Cells, size: tuple[int, int]
) -> None:
    mark = unpack(from_data_uri(data_uri(block(*size)), cells))
    assert mark.width * mark.height <= MAX_PIXELS
    assert mark.width / mark.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert mark.tobytes()[:4] == bytes((255, 0, 0, 255))


def test_what_is_kept_is_no_file(cells: Cells) -> None:
    """The server that lays the mark on never decodes what a client sent."""
    kept = from_data_uri(data_uri(block(300, 200)), cells)
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(kept))


@pytest.mark.parametrize(
    "damage", [b"", b"RGBa", b"RGBa\0\5\0\5", b"RGBa\xff\xff\xff\xff", b"\x89PNG\r\n\x1a\n"]
)
def test_what_was_not_packed_here_is_not_unpacked(damage: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(damage)


@pytest.mark.parametrize("answer", [b"", b"\0\1\0\1\0\0\0", b"\xff\xff\xff\xff" + bytes(8), b"\0\0\0\0"])
def test_answer_of_a_cell_that_was_taken_over_is_no_mark(answer: bytes) -> None:
    with pytest.raises(LimitPassed):
        pack(answer)
