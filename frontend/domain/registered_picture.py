"""What is kept of a picture for good, long after its job and its files are gone."""

import msgspec

from frontend.domain.job import Job
from frontend.domain.luma_grid import LumaGrid
from frontend.domain.picture import StoredPicture


class RegisteredPicture(
    msgspec.Struct, frozen=True, kw_only=True, rename={"invisible_id": "mark", "invisible_key": "mark_key"}
):
    """One entry of the stream PICTURES (contract/redis_keys.py). It holds no prompt."""

    gen_id: str
    job: str  # the job's id
    owner: str  # id of the key that asked for it
    time: str  # RFC 3339, UTC, of the job's acceptance, as in the credentials
    model: str
    character: str  # "" for none
    invisible_id: str  # identity in the invisible mark, 16 hex digits; "" for none
    invisible_key: int  # version of that mark's key; 0 for none
    fingerprint: str  # PDQ, 64 hex digits
    fingerprint_quality: int  # 0 to 100
    luma_grid: LumaGrid | None = None  # None in entries of older versions
    sha256: str  # of the file, and so of the manifest in it
    thumbnail: str = ""  # its key; "" in entries of older versions
    file: str  # the object store's key of that file: where the manifest is, as long as it is kept

    @property
    def files(self) -> tuple[str, str]:
        """Keys of the picture and of its thumbnail."""
        stem, dot, extension = self.file.rpartition(".")
        return self.file, self.thumbnail or f"{stem}_thumb{dot}{extension}"


def register(job: Job, picture: StoredPicture) -> RegisteredPicture:
    return RegisteredPicture(
        gen_id=job.gen_id,
        job=job.id,
        owner=job.owner,
        time=job.time,
        model=job.model,
        character=job.character,
        invisible_id=picture.invisible_id,
        invisible_key=picture.invisible_key,
        fingerprint=picture.fingerprint,
        fingerprint_quality=picture.fingerprint_quality,
        luma_grid=picture.luma_grid,
        sha256=picture.sha256,
        file=picture.key,
        thumbnail=picture.thumbnail_key,
    )
