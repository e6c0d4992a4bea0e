"""The watermark that a client sends as `wm_image`: read once, in a cell, and from then on only as pixels."""

import math
from typing import TYPE_CHECKING

from PIL import Image, ImageFile

from frontend.cells.limits import LimitPassed
from frontend.cells.picture_file import format_of, upright
from frontend.cells.pixels import pixels_of
from frontend.cells.structure import Unsound
from frontend.common import data_uri
from frontend.common.errors import ApiError
from frontend.finishing.mark_pixels import MAX_PIXELS, MODE, pack

if TYPE_CHECKING:  # a cell imports this file, too, and nothing that it does not need
    from frontend.cells.cells import Cells

MAX_BYTES = 4 * 1024 * 1024
MAX_SIDE = 4096  # pixels
_FORMATS = ("PNG", "JPEG", "WebP")


def from_data_uri(text: str, cells: "Cells") -> bytes:
    """The pixels of `wm_image`, a base64 data URI, as `mark_pixels.unpack` takes them. Raises ApiError 400.

    As in browsers, white space and missing padding are forgiven; the declared media type is not believed.
    Takes up to some hundred ms for the largest marks: call it in a thread.
    """
    try:
        data = data_uri.from_data_uri(text, MAX_BYTES)
        return pack(cells.call(read_mark, data))
    except ValueError as error:
        raise _invalid(str(error)) from None
    except LimitPassed as error:
        raise _invalid(error.words) from None


def _invalid(reason: str) -> ApiError:
    return ApiError(400, f"Invalid wm_image: {reason}")


def read_mark(data: bytes) -> bytes:
    """In a cell: the picture upright, of at most MAX_PIXELS, in mark_pixels.MODE. Raises ValueError."""
    if len(data) > MAX_BYTES:
        raise ValueError("larger than 4 MiB")
    kind = format_of(data)
    if kind is None or kind.name not in _FORMATS:
        raise ValueError("expected PNG, JPEG or WebP")
    try:
        kind.check(data)
        with kind.open(data) as image:
            _check_header(image)
            return pixels_of(_shrunk(upright(image).convert("RGBA").convert(MODE)))
    except (_Refused, MemoryError):
        raise
    except Unsound as error:
        raise ValueError(str(error) or "damaged file") from None
    except Image.DecompressionBombError:
        raise ValueError("larger than 4096 px a side") from None
    except Exception:  # whatever a decoder throws at a hostile file means the same
        raise ValueError("damaged file") from None


class _Refused(ValueError):
    """By its header."""


def _check_header(image: ImageFile.ImageFile) -> None:
    """Before anything is decoded."""
    if max(image.size) > MAX_SIDE:
        raise _Refused("larger than 4096 px a side")
    if getattr(image, "is_animated", False):
        raise _Refused("animated pictures are not accepted")


def _shrunk(image: Image.Image) -> Image.Image:
    factor = math.sqrt(MAX_PIXELS / (image.width * image.height))
    if factor >= 1:
        return image
    size = max(1, int(image.width * factor)), max(1, int(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
