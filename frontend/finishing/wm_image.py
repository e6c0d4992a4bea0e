"""The watermark that a client sends as `wm_image`, read with suspicion."""

import io
import re

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from frontend.common import data_uri
from frontend.common.errors import ApiError

MAX_BYTES = 4 * 1024 * 1024
MAX_SIDE = 4096  # pixels

# Pillow's classes by the first bytes of a file. Image.open would also try every other format that is loaded.
_FORMATS: dict[bytes, type[ImageFile.ImageFile]] = {
    rb"\x89PNG\r\n\x1a\n": PngImageFile,
    rb"\xff\xd8\xff": JpegImageFile,
    rb"RIFF.{4}WEBP": WebPImageFile,
}


def from_data_uri(text: str) -> bytes:
    """The checked bytes of `wm_image`, a base64 data URI. Raises ApiError 400.

    As in browsers, white space and missing padding are forgiven; the declared media type is not believed.
    Takes up to some hundred ms for the largest marks: call it in a thread.
    """
    data = _decode(text)
    check(data)
    return data


def check(data: bytes) -> None:
    """Decode once, so that no job is made for a mark that cannot be laid. Raises ApiError 400."""
    upright(data)


def _decode(text: str) -> bytes:
    try:
        return data_uri.from_data_uri(text, MAX_BYTES)
    except ValueError as error:
        raise _invalid(str(error)) from None


def _invalid(reason: str) -> ApiError:
    return ApiError(400, f"Invalid wm_image: {reason}")


def upright(data: bytes) -> Image.Image:
    """The picture upright, in RGBa: colours multiplied by alpha, so that resizing leaves no dark fringes.

    Raises ApiError 400.
    """
    if len(data) > MAX_BYTES:
        raise _invalid("larger than 4 MiB")
    kind = next((kind for magic, kind in _FORMATS.items() if re.match(magic, data, re.DOTALL)), None)
    if kind is None:
        raise _invalid("expected PNG, JPEG or WebP")
    try:
        with kind(io.BytesIO(data)) as image:
            _check_header(image)
            return _eight_bit(ImageOps.exif_transpose(image)).convert("RGBA").convert("RGBa")
    except ApiError:
        raise
    except Image.DecompressionBombError:
        raise _invalid("larger than 4096 px a side") from None
    except Exception:  # whatever a decoder throws at a hostile file means the same
        raise _invalid("damaged file") from None


def _check_header(image: ImageFile.ImageFile) -> None:
    """Before anything is decoded."""
    if max(image.size) > MAX_SIDE:
        raise _invalid("larger than 4096 px a side")
    if getattr(image, "is_animated", False):
        raise _invalid("animated pictures are not accepted")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Pillow reads a 16-bit grey PNG as it is and would clip it on conversion."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image, dtype=np.uint32) >> 8).astype(np.uint8))
