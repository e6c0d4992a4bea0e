"""Anybody's picture file to pixels, in a cell. What is too large is refused before it is decoded."""

from PIL import Image

from frontend.cells.picture_file import format_of, upright
from frontend.cells.pixels import pixels_of
from frontend.cells.structure import Unsound

MAX_PIXELS = 24_000_000  # 72 MB of RGB
MAX_SIDE = 16_384
_TOO_LARGE = f"more than {MAX_PIXELS // 1_000_000} million pixels or {MAX_SIDE} a side"
_NO_PICTURE = "expected a whole JPEG, PNG, WebP, AVIF or GIF file"


class UnreadablePicture(ValueError):
    """What is wrong with the picture, in words for the client."""


def read_picture(data: bytes) -> bytes:
    """Pixels [H, W, 3] RGB, as a viewer shows it; of a moving picture the first frame.

    Raises UnreadablePicture.
    """
    kind = format_of(data)
    if kind is None:
        raise UnreadablePicture(_NO_PICTURE)
    try:
        kind.check(data)
        with kind.open(data) as picture:
            width, height = picture.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise UnreadablePicture(_TOO_LARGE)
            return pixels_of(_to_rgb(upright(picture)))
    except (UnreadablePicture, MemoryError):
        raise
    except Unsound as error:
        raise UnreadablePicture(str(error) or _NO_PICTURE) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # Pillow's own limits
        raise UnreadablePicture(_TOO_LARGE) from None
    # Broken files make decoders raise nearly anything.
    except Exception:
        raise UnreadablePicture(_NO_PICTURE) from None


def _to_rgb(image: Image.Image) -> Image.Image:
    """Transparent places white. A copy of the largest picture is 96 MB: none is made in vain."""
    if image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == "RGB" else image.convert("RGB")
