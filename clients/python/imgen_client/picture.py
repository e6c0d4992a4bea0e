from dataclasses import dataclass
from pathlib import Path

from .answers import Meta
from .errors import NotImgen


@dataclass(frozen=True)
class Credentials:
    """What the server put into the file, for others to find; `verify` asks whether it is there still."""

    signed: bool  # C2PA content credentials
    marked: bool  # the invisible mark
    fingerprint: str  # PDQ hash, 64 hexadecimal digits


@dataclass(frozen=True)
class Picture:
    """A picture that was made and found safe."""

    job_id: str
    meta: Meta
    cached: bool  # made for another request, and handed out again
    url: str  # a signed link, for minutes
    thumbnail_url: str
    bytes: bytes = b""  # the file

    @classmethod
    def of(cls, job_id: str, meta: Meta, cached: bool) -> "Picture":
        """Raises NotImgen."""
        links = {image.type: image.url for image in meta.images}
        if "signed" not in links:
            raise NotImgen("the answer has no link of the picture")
        return cls(job_id, meta, cached, links["signed"], links.get("thumbnail", links["signed"]))

    @property
    def credentials(self) -> Credentials:
        meta = self.meta
        return Credentials(meta.enable_c2pa, meta.enable_invisimark, meta.fingerprint)

    def save(self, path: str | Path) -> Path:
        """Writes the file. Raises OSError."""
        Path(path).write_bytes(self.bytes)
        return Path(path)
