"""A picture that may be handed out again."""

from dataclasses import dataclass

import msgspec

from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict


class CachedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One picture with all that a client may be told of it. Written once, when its verdict is safe."""

    job: Job  # that made it
    picture: StoredPicture
    verdict: Verdict


@dataclass(frozen=True)
class CacheOffer:
    """What a verdict's script writes to the cache's log beside what the job holds already."""

    vector: bytes  # float16, little-endian: half the memory, and the similarity is right to four digits
    encoder: str
    length: int  # that the log is trimmed to
