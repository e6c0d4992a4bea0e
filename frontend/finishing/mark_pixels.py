"""A watermark as it is kept beside its job: pixels, deflated by this server. No decoder reads it but zlib."""

import struct
import zlib

from PIL import Image

from contract.sizes import SIZES
from frontend.cells.pixels import HEAD, size_of

MAX_PIXELS = max(width * height for width, height in SIZES)
"""A mark lies inside its picture, so a larger one would be shrunk there anyway."""
MODE = "RGBa"  # colours multiplied by alpha, so that resizing leaves no dark fringes
_LEVEL = 1
_HEAD = struct.Struct(">4sHH")


def pack(pixels: bytes) -> bytes:
    """`pixels`: what a cell said, checked here. Raises LimitPassed where that is no mark."""
    size = size_of(pixels, len(MODE), MAX_PIXELS)
    return _HEAD.pack(MODE.encode(), *size) + zlib.compress(memoryview(pixels)[HEAD.size :], _LEVEL)


def unpack(packed: bytes) -> Image.Image:
    """Raises ValueError where it is not of `pack`."""
    if len(packed) < _HEAD.size:
        raise ValueError("no watermark")
    mode, width, height = _HEAD.unpack_from(packed)
    if mode != MODE.encode() or not 0 < width * height <= MAX_PIXELS:
        raise ValueError("no watermark")
    length = width * height * len(MODE)
    try:
        pixels = zlib.decompressobj().decompress(memoryview(packed)[_HEAD.size :], length)
    except zlib.error:
        raise ValueError("no watermark") from None
    return Image.frombytes(MODE, (width, height), pixels)
