"""Picture files to pixels. What a viewer could show and a detector would not see is refused."""

import io

import numpy as np
from PIL import Image

from acs.detections import Pixels
from acs.failure import Failure

MAX_PIXELS = 16 << 20  # 48 MiB of RGB
MAX_SIDE = 16_384
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")


def decode(data: bytes) -> Pixels:
    """uint8 [height, width, 3] RGB. Raises Failure 422.

    Opaque still pictures only: further frames and transparency can hide what the detector must see.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check(picture)
            return np.asarray(picture.convert("RGB"))
    except Failure:
        raise
    # Broken files make decoders raise nearly anything; bombs are a warning or an error of Pillow's own.
    except Exception:
        raise Failure(422, "The picture could not be decoded") from None


def _check(picture: Image.Image) -> None:
    width, height = picture.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Failure(422, f"The picture has more than {MAX_PIXELS} pixels or {MAX_SIDE} a side")
    if picture.mode not in ("RGB", "L") or "transparency" in picture.info:
        raise Failure(422, "The picture is not opaque 8-bit RGB or grey")
    if getattr(picture, "n_frames", 1) != 1:
        raise Failure(422, "The picture has more than one frame")
