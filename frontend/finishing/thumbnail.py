"""The small version of a picture that lists and galleries show."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from frontend.finishing.encode import encode
from frontend.picture import Encoding, File

LONG_SIDE = 384  # pixels
BEST_QUALITY = 85  # more would be bytes that nobody sees at this size


def thumbnail(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> File:
    """pixels [H,W,3], already marked, at most LONG_SIDE a side, in the picture's format, never lossless."""
    image = Image.fromarray(pixels)
    factor = min(1.0, LONG_SIDE / max(image.size))
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    small = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    quality = min(encoding.quality, BEST_QUALITY)
    return encode(np.asarray(small), Encoding(format=encoding.format, quality=quality, lossless=False))
