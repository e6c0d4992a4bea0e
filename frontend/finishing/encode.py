"""Pixels to the bytes of a JPEG, PNG, WebP or AVIF file. Nothing but sRGB pixels goes in: no metadata."""

import io
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from imagecodecs import AVIF, avif_encode, jpeg8_encode
from PIL import Image, PngImagePlugin

from frontend.domain.picture import Encoding, File

FULL_COLOUR_QUALITY = 90
"""From this quality on, JPEG and AVIF keep colour at full resolution (4:4:4): small red text stays sharp."""


class Format(NamedTuple):
    media_type: str
    extension: str


FORMATS: Mapping[str, Format] = {
    "jpeg": Format("image/jpeg", "jpg"),
    "png": Format("image/png", "png"),
    "webp": Format("image/webp", "webp"),
    "avif": Format("image/avif", "avif"),
}
"""`format` of the API → what the file is served as."""


def encode(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> File:
    """The file of pixels [H,W,3]. The same pixels and encoding give the same bytes."""
    if encoding.format == "avif":
        data = _avif(pixels, encoding)
    elif encoding.format == "jpeg":
        data = _jpeg(pixels, encoding.quality)
    else:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, encoding.format.upper(), **_options(encoding))
        data = stream.getvalue()
    media_type, extension = FORMATS[encoding.format]
    return File(data=data, media_type=media_type, extension=extension)


def _options(encoding: Encoding) -> dict[str, Any]:
    """What Pillow's encoder of the format is told: the fastest setting whose files are not much larger."""
    match encoding.format:
        case "png":
            return {"compress_level": 2, "pnginfo": _srgb_chunk()}
        case "webp" if encoding.lossless:
            return {"lossless": True, "quality": 20, "method": 1}  # quality is effort here
        case "webp":
            return {"quality": encoding.quality, "method": 2}
    raise ValueError(f"no such format: {encoding.format}")


def _subsampling(quality: int) -> str:
    return "444" if quality >= FULL_COLOUR_QUALITY else "420"


def _jpeg(pixels: npt.NDArray[np.uint8], quality: int) -> bytes:
    """The same bytes as Pillow's, from the same library, but without holding Python's lock meanwhile: Pillow
    keeps the event loop waiting for as long as it encodes."""
    return bytes(
        jpeg8_encode(
            pixels,
            level=quality,
            colorspace="RGB",
            outcolorspace="YCBCR",
            subsampling=_subsampling(quality),
        )
    )


def _srgb_chunk() -> PngImagePlugin.PngInfo:
    """PNG and AVIF say that they are sRGB; an unmarked JPEG or WebP is sRGB by definition on the web."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add(b"sRGB", b"\0")
    return chunks


def _avif(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    """Lossless is AV1 of the RGB planes themselves (identity matrix).

    Pillow always goes through YCbCr, which at quality 100 is still off by up to 3 of 255, and holds Python's
    lock while it converts.
    """
    sampling = "444" if encoding.lossless else _subsampling(encoding.quality)
    matrix = AVIF.MATRIX_COEFFICIENTS
    return bytes(
        avif_encode(
            pixels,
            level=100 if encoding.lossless else encoding.quality,
            speed=9,
            pixelformat=AVIF.PIXEL_FORMAT[f"YUV{sampling}"],
            primaries=AVIF.COLOR_PRIMARIES.BT709,
            transfer=AVIF.TRANSFER_CHARACTERISTICS.SRGB,
            matrix=matrix.IDENTITY if encoding.lossless else matrix.BT601,
            numthreads=1,
        )
    )
