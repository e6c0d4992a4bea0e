"""A picture that may be handed out again."""

from dataclasses import dataclass

import msgspec

from frontend.domain.job import CACHED, Job, new_id
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict


class CachedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One picture with what is known of it. Written once, when its verdict is safe."""

    job: Job  # that made it: its words are its owner's alone
    picture: StoredPicture
    verdict: Verdict

    def job_for(self, asked: Job) -> Job:
        """The job that hands this picture to who asked for `asked`, in the asker's own words.

        Of the maker's job it tells what describes the picture. Model, style and character are the same.
        """
        made = self.job
        return msgspec.structs.replace(
            asked,
            id=f"{CACHED}{new_id(16)}",
            gen_id=made.gen_id,
            drawn=None,  # in words of its maker
            seed=made.seed,
            steps=made.steps,
            guidance=made.guidance,
            sampler=made.sampler,
            spacing=made.spacing,
            width=made.width,
            height=made.height,
            format=made.format,
            quality=made.quality,
            lossless=made.lossless,
            texts=made.texts,  # the server's own: pictures with a client's are not in the cache
            compliance_ruleset=self.verdict.ruleset,  # that it was found safe by, which its credentials tell
            precompliance="",
            optimized=False,
            intent=None,
        )


@dataclass(frozen=True)
class CacheOffer:
    """What a verdict's script writes to the cache's log beside what the job holds already."""

    vector: bytes  # float16, little-endian: half the memory, and the similarity is right to four digits
    encoder: str
    length: int  # that the log is trimmed to
