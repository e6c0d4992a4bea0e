"""Pixels on their way out of a cell: width and height, then the rows.

They are not believed: a decoder in there may have been taken over.
"""

import struct

from PIL import Image

from frontend.cells.limits import LimitKind, LimitPassed

HEAD = struct.Struct(">HH")


def pixels_of(picture: Image.Image) -> bytes:
    return HEAD.pack(*picture.size) + picture.tobytes()


def size_of(answer: bytes, channels: int, max_pixels: int) -> tuple[int, int]:
    """Width and height of what stands behind HEAD. Raises LimitPassed where it is no such picture."""
    width, height = HEAD.unpack_from(answer) if len(answer) >= HEAD.size else (0, 0)
    if not 0 < width * height <= max_pixels or len(answer) != HEAD.size + width * height * channels:
        raise LimitPassed(LimitKind.CRASH)
    return width, height
