import io
import struct
import zlib

import pytest
from PIL import Image

from acs.decode import decode
from acs.failure import Failure
from tests.acs.orders import picture


def refusal(data: bytes) -> str:
    with pytest.raises(Failure) as raised:
        decode(data)
    assert raised.value.status == 422
    return raised.value.message


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_every_format_of_the_api_is_read_as_rgb(form: str) -> None:
    pixels = decode(picture(form))
    assert pixels.shape == (192, 336, 3)
    red, _, blue = (int(value) for value in pixels[5, 5])
    assert blue > red + 60


def test_grey_picture_is_read_as_rgb() -> None:
    assert decode(picture("PNG", mode="L")).shape == (192, 336, 3)


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF"])
def test_other_formats_are_refused(form: str) -> None:
    assert refusal(picture(form)) == "The picture could not be decoded"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_truncated_picture_is_refused(form: str) -> None:
    data = picture(form)
    assert refusal(data[: len(data) // 2]) == "The picture could not be decoded"


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"])
def test_garbage_is_refused(data: bytes) -> None:
    assert refusal(data) == "The picture could not be decoded"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_transparency_is_refused(form: str) -> None:
    assert refusal(picture(form, mode="RGBA")) == "The picture is not opaque 8-bit RGB or grey"


@pytest.mark.parametrize("form", ["PNG", "WEBP", "AVIF"])
def test_second_frame_is_refused(form: str) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, form, save_all=True, append_images=frames[1:])
    assert refusal(out.getvalue()) == "The picture has more than one frame"


@pytest.mark.parametrize("size", [(4097, 4097), (20_000, 10), (60_000, 60_000)])
def test_too_many_pixels_are_refused_before_decoding(size: tuple[int, int]) -> None:
    header = struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    png = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"IDAT" + zlib.compress(b"\0")
    png += struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    assert "picture" in refusal(png)
