"""The visible watermark: reading the client's picture with suspicion, and laying it over ours."""

import io
import math
import re

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from frontend import data_uri
from frontend.errors import ApiError
from frontend.finishing.anchor import anchor
from frontend.picture import VisibleMark

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
    data = _decoded(text)
    check(data)
    return data


def check(data: bytes) -> None:
    """Decode once, so that no job is made for a mark that cannot be laid. Raises ApiError 400."""
    _read(data)


def lay(pixels: npt.NDArray[np.uint8], mark: VisibleMark) -> npt.NDArray[np.uint8]:
    """`pixels` [H,W,3] with the mark over them; the argument itself is not changed.

    The mark keeps its aspect, is turned about its centre and always lies wholly inside the picture: one that
    is too large is shrunk, and padding gives way before the mark does.
    """
    if mark.opacity == 0:
        return pixels
    height, width = pixels.shape[:2]
    stamp = _stamp(_read(mark.image), mark, width, height)
    place = anchor(mark.position)
    left = _offset(place.x, width - stamp.width, mark.padding_x)
    top = _offset(place.y, height - stamp.height, mark.padding_y)
    marked = pixels.copy()
    under = marked[top : top + stamp.height, left : left + stamp.width]
    under[:] = _blend(under, np.asarray(stamp), mark.opacity / 100)
    return marked


def _decoded(text: str) -> bytes:
    try:
        return data_uri.from_data_uri(text, MAX_BYTES)
    except ValueError as error:
        raise _invalid(str(error)) from None


def _invalid(reason: str) -> ApiError:
    return ApiError(400, f"Invalid wm_image: {reason}")


def _read(data: bytes) -> Image.Image:
    """The picture upright, in RGBa: colours multiplied by alpha, so that resizing leaves no dark fringes."""
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


def _stamp(image: Image.Image, mark: VisibleMark, width: int, height: int) -> Image.Image:
    """The mark in its final size and direction, no larger than the picture (width, height)."""
    upright = mark.rotation % 90 == 0
    room = (width, height) if upright else (max(1, width - 4), max(1, height - 4))
    wide = width * mark.scale / 100
    size = _fit(wide, wide * image.height / image.width, mark.rotation, room)
    stamp = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if not upright:  # a clear border gives the turned edges something to fade into
        stamp = ImageOps.expand(stamp, border=1, fill=(0, 0, 0, 0))
    stamp = stamp.rotate(mark.rotation, Image.Resampling.BICUBIC, expand=True)
    return stamp.crop((0, 0, min(stamp.width, width), min(stamp.height, height)))


def _fit(wide: float, high: float, degrees: int, room: tuple[int, int]) -> tuple[int, int]:
    """The size, at most wide × high, whose box after turning fits the room. Pixels."""
    cos, sin = (abs(turn(math.radians(degrees))) for turn in (math.cos, math.sin))
    box = wide * cos + high * sin, wide * sin + high * cos
    shrink = min(1.0, room[0] / box[0], room[1] / box[1])
    return max(1, round(wide * shrink)), max(1, round(high * shrink))


def _offset(fraction: float, free: int, padding: int) -> int:
    wanted = {0.0: padding, 1.0: free - padding}.get(fraction, free // 2)
    return min(max(0, wanted), max(0, free))


def _blend(
    under: npt.NDArray[np.uint8], stamp: npt.NDArray[np.uint8], opacity: float
) -> npt.NDArray[np.uint8]:
    """Source over, on premultiplied colours: stamp [h,w,4] over under [h,w,3]."""
    colour = stamp[..., :3].astype(np.float32) * np.float32(opacity)
    clear = 1 - stamp[..., 3:].astype(np.float32) * np.float32(opacity / 255)
    mixed: npt.NDArray[np.float32] = under * clear + colour
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
