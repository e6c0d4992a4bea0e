"""The file formats that a client may ask for: one row each."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Format:
    name: str  # as the API calls it
    media_type: str
    extension: str
    quality: bool  # whether `quality` (1 to 100) changes its bytes
    lossless: bool  # whether `lossless` does


JPEG = Format(name="jpeg", media_type="image/jpeg", extension="jpg", quality=True, lossless=False)
PNG = Format(name="png", media_type="image/png", extension="png", quality=False, lossless=False)
WEBP = Format(name="webp", media_type="image/webp", extension="webp", quality=True, lossless=True)
AVIF = Format(name="avif", media_type="image/avif", extension="avif", quality=True, lossless=True)

FORMATS: Mapping[str, Format] = {row.name: row for row in (JPEG, PNG, WEBP, AVIF)}
"""By name; the first one is what anything else becomes."""
BY_EXTENSION: Mapping[str, Format] = {row.extension: row for row in FORMATS.values()}
