"""What one file says of itself: its manifest, its mark, its fingerprint."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from frontend.cells.cells import Cells
from frontend.cells.limits import CellRefusal, LimitPassed
from frontend.cells.pixels import HEAD, size_of
from frontend.domain.fingerprint import Fingerprint
from frontend.finishing.fingerprint import fingerprint
from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.content import AlignedLuma, align
from frontend.invisible_mark.reading import MarkReading, read
from frontend.verification.decode import MAX_PIXELS, UnreadablePicture, read_picture
from frontend.verification.manifest import ManifestReader
from frontend.verification.manifest_report import ManifestReport

MAX_PRINTED_SIDE = 2048
"""Pixels. Nothing that is made here is larger, and the largest that is let in would take seconds to hash."""


@dataclass(frozen=True, kw_only=True)
class Sighting:
    sha256: str  # of the file
    manifest: ManifestReport | None
    reading: MarkReading | None  # of the invisible mark
    luma: AlignedLuma | None  # what it shows, where a mark tells how it lies
    prints: tuple[Fingerprint, Fingerprint]  # of the picture, and of its mirror image


def look(data: bytes, keys: Sequence[Codes], manifests: ManifestReader, cells: Cells) -> Sighting:
    """Takes up to about a second: not for an event loop. Raises UnreadablePicture.

    The file is read in cells; out here there are only its pixels. The mark's keys never go in there.
    """
    pixels = decode(data, cells)
    reading = read(pixels, keys) if keys else None
    return Sighting(
        sha256=hashlib.sha256(data).hexdigest(),
        manifest=manifests.read(data),
        reading=reading,
        luma=align(pixels, reading) if reading else None,
        prints=prints_of(pixels),
    )


def prints_of(pixels: npt.NDArray[np.uint8]) -> tuple[Fingerprint, Fingerprint]:
    """Of the picture [H, W, 3] and of its mirror image; of a very large one, of as much as tells it."""
    height, width = pixels.shape[:2]
    factor = MAX_PRINTED_SIDE / max(height, width)
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    return fingerprint(pixels), fingerprint(pixels[:, ::-1])


def decode(data: bytes, cells: Cells) -> npt.NDArray[np.uint8]:
    """[H, W, 3] RGB, as a viewer shows it. Raises UnreadablePicture."""
    try:
        answer = cells.call(read_picture, data)
        width, height = size_of(answer, 3, MAX_PIXELS)
    except CellRefusal as error:
        raise UnreadablePicture(str(error)) from None
    except LimitPassed as error:
        raise UnreadablePicture(error.words) from None
    return np.frombuffer(answer, np.uint8, offset=HEAD.size).reshape(height, width, 3)
