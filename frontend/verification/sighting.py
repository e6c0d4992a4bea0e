"""What one file says of itself: its manifest, its mark, its fingerprint."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frontend.domain.fingerprint import Fingerprint
from frontend.finishing.fingerprint import fingerprint
from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.content import AlignedLuma, align
from frontend.invisible_mark.reading import MarkReading, read
from frontend.verification.decode import decode
from frontend.verification.manifest import ManifestReader, ManifestReport


@dataclass(frozen=True, kw_only=True)
class Sighting:
    sha256: str  # of the file
    manifest: ManifestReport | None
    reading: MarkReading | None  # of the invisible mark
    luma: AlignedLuma | None  # what it shows, where a mark tells how it lies
    prints: tuple[Fingerprint, Fingerprint]  # of the picture, and of its mirror image


def look(data: bytes, keys: Sequence[Codes], manifests: ManifestReader) -> Sighting:
    """Takes up to about a second: not for an event loop. Raises Unreadable."""
    picture = decode(data)
    mirrored = np.ascontiguousarray(picture.pixels[:, ::-1])
    reading = read(picture.pixels, keys) if keys else None
    return Sighting(
        sha256=hashlib.sha256(data).hexdigest(),
        manifest=manifests.read(data, picture.media_type),
        reading=reading,
        luma=align(picture.pixels, reading) if reading else None,
        prints=(fingerprint(picture.pixels), fingerprint(mirrored)),
    )
