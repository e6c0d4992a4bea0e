"""Strangers' picture files: their format, whether their parts are sound, and which way up they are."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

from PIL import AvifImagePlugin, Image, ImageFile, ImageOps, TiffImagePlugin
from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from frontend.cells.structure import check_avif, check_gif, check_jpeg, check_png, check_webp

__all__ = ["TiffImagePlugin"]  # reads EXIF; Pillow would import it when a cell cannot open files any more
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a cell starts none


@dataclass(frozen=True)
class PictureFormat:
    name: str
    media_type: str
    reader: type[ImageFile.ImageFile]
    check: Callable[[bytes], bytes]
    """Raises Unsound; the C2PA manifest, b"" for none. Before `open`, always."""

    def open(self, data: bytes) -> ImageFile.ImageFile:
        """Its header is read. `Image.open` would try other formats, too."""
        return self.reader(io.BytesIO(data))


# By the first bytes of a file.
_FORMATS = {
    rb"\x89PNG\r\n\x1a\n": PictureFormat("PNG", "image/png", PngImageFile, check_png),
    rb"\xff\xd8\xff": PictureFormat("JPEG", "image/jpeg", JpegImageFile, check_jpeg),
    rb"RIFF.{4}WEBP": PictureFormat("WebP", "image/webp", WebPImageFile, check_webp),
    rb".{4}ftyp(?:avi[fs]|mif1|msf1)": PictureFormat("AVIF", "image/avif", AvifImageFile, check_avif),
    rb"GIF8[79]a": PictureFormat("GIF", "image/gif", GifImageFile, check_gif),
}


def format_of(data: bytes) -> PictureFormat | None:
    return next((kind for magic, kind in _FORMATS.items() if re.match(magic, data, re.DOTALL)), None)


def upright(picture: Image.Image) -> Image.Image:
    """Turned as EXIF says; of 16 bits' grey the upper 8, where Pillow would clip. May change `picture`."""
    ImageOps.exif_transpose(picture, in_place=True)
    if not picture.mode.startswith("I"):
        return picture
    return picture.convert("I").point([level >> 8 for level in range(1 << 16)], "L")
