"""Anybody's picture file to pixels. What is too large is refused before it is decoded."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

MAX_PIXELS = 24_000_000  # 72 MB of RGB
MAX_SIDE = 16_384
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF")
_TOO_LARGE = f"more than {MAX_PIXELS // 1_000_000} million pixels or {MAX_SIDE} a side"
_TYPES = {"PNG": "image/png", "WEBP": "image/webp", "AVIF": "image/avif", "GIF": "image/gif"}


class UnreadablePicture(ValueError):
    """What is wrong with the picture, in words for the client."""


@dataclass(frozen=True, kw_only=True)
class DecodedPicture:
    pixels: npt.NDArray[np.uint8]  # [H, W, 3] RGB, as a viewer shows it; of a moving picture the first frame
    media_type: str


def decode(data: bytes) -> DecodedPicture:
    """Raises UnreadablePicture."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise UnreadablePicture(_TOO_LARGE)
            return DecodedPicture(
                pixels=_to_rgb(picture), media_type=_TYPES.get(picture.format or "", "image/jpeg")
            )
    except UnreadablePicture:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limits
        raise UnreadablePicture(_TOO_LARGE) from None
    # Broken files make decoders raise nearly anything.
    except Exception:
        raise UnreadablePicture("expected a whole JPEG, PNG, WebP, AVIF or GIF file") from None


def _to_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """8 bits, turned as EXIF says, transparent places white."""
    turned = ImageOps.exif_transpose(picture)
    if turned.mode.startswith("I"):  # 16 bits; Pillow would cut them off at 255
        levels = np.clip(np.asarray(turned).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        return np.repeat(levels[..., None], 3, axis=2)
    if turned.has_transparency_data:
        over = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.ascontiguousarray(np.asarray(turned.convert("RGB")))
