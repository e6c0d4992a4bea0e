"""Pixels to the bytes of a JPEG, PNG, WebP or AVIF file. Nothing but sRGB pixels goes in: no metadata."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from imagecodecs import AVIF, avif_encode, jpeg8_encode
from PIL import Image, PngImagePlugin

from contract import formats
from contract.formats import FORMATS, Format
from frontend.domain.picture import Encoding, File

FULL_COLOUR_QUALITY: Mapping[Format, int] = {formats.JPEG: 90, formats.AVIF: 96}
"""From this quality on colour is kept at full resolution (4:4:4): small red text stays sharp. Of AVIF only
above the default, since common viewers show none of it."""


def encode(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> File:
    """The file of pixels [H,W,3]. The same pixels and encoding give the same bytes."""
    row = FORMATS[encoding.format]
    return File(data=_ENCODERS[row](pixels, encoding), media_type=row.media_type, extension=row.extension)


def _subsampling(row: Format, quality: int) -> str:
    return "444" if quality >= FULL_COLOUR_QUALITY[row] else "420"


def _jpeg(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    """The same bytes as Pillow's, from the same library, but without holding Python's lock meanwhile: Pillow
    keeps the event loop waiting for as long as it encodes."""
    return bytes(
        jpeg8_encode(
            pixels,
            level=encoding.quality,
            colorspace="RGB",
            outcolorspace="YCBCR",
            subsampling=_subsampling(formats.JPEG, encoding.quality),
        )
    )


def _png(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    return _save(pixels, "PNG", compress_level=2, pnginfo=_srgb_chunk())


def _webp(pixels: npt.NDArray[np.uint8], encoding: Encoding) -> bytes:
    if encoding.lossless:
        return _save(pixels, "WEBP", lossless=True, quality=20, method=1)  # quality is effort here
    return _save(pixels, "WEBP", quality=encoding.quality, method=2)


def _save(pixels: npt.NDArray[np.uint8], format_name: str, **options: Any) -> bytes:
    """By Pillow, with the fastest setting whose files are not much larger."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format_name, **options)
    return stream.getvalue()


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
    sampling = "444" if encoding.lossless else _subsampling(formats.AVIF, encoding.quality)
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


_ENCODERS: Mapping[Format, Callable[[npt.NDArray[np.uint8], Encoding], bytes]] = {
    formats.JPEG: _jpeg,
    formats.PNG: _png,
    formats.WEBP: _webp,
    formats.AVIF: _avif,
}
