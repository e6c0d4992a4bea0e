"""What is kept of a picture that may be handed out again: the log's entry, and the part of it that every
server holds in memory to choose by."""

import hashlib

import msgspec

from frontend.domain.cache_entry import CachedPicture
from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.prompt_intent import PromptIntent


class Candidate(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What decides whether this picture may answer a request. An index's payload, as MessagePack."""

    entry: str  # the log's id of the whole record
    home: str  # MODEL/CHARACTER, and the style where that has a LoRA
    intent: PromptIntent  # what its client wrote
    drawn: str  # what the text encoder was told; more than the intent where the prompt was optimised
    width: int
    height: int
    format: str
    quality: int
    lossless: bool
    seed: int
    weights: str  # digest of the model's, the character's and the style's
    ruleset: str
    ruleset_version: str
    notes: tuple[str, ...] = ()  # what its client was told of the prompt


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Candidate).decode


def candidate(entry: str, cached: CachedPicture) -> Candidate | None:
    """None for a picture that is not for the cache."""
    job, verdict = cached.job, cached.verdict
    if job.intent is None or verdict.compliance != "safe" or verdict.sha256 != cached.picture.sha256:
        return None
    return Candidate(
        entry=entry,
        home=f"{job.model}/{job.character}" + (f"/{job.style}" if job.style_strength else ""),
        intent=job.intent,
        drawn=job.positive,
        width=job.width,
        height=job.height,
        format=job.format,
        quality=job.quality,
        lossless=job.lossless,
        seed=job.seed,
        weights=weights_digest(cached.picture),
        ruleset=verdict.ruleset,
        ruleset_version=verdict.ruleset_version,
        notes=job.notes,
    )


def partition(job: Job, *, shared: bool) -> tuple[str, ...]:
    """Equality by construction: pictures of another partition are never looked at.

    Not `shared`: among the pictures of one key.
    """
    return (job.model, job.style, job.character, job.recipe, "" if shared else job.owner)


def weights_digest(picture: StoredPicture) -> str:
    """Of what was trained, not of the engine: two GPUs draw one picture with different engines."""
    trained = {name: value for name, value in picture.weights.items() if name != "engine"}
    return hashlib.blake2b(msgspec.msgpack.encode(trained, order="sorted"), digest_size=8).hexdigest()
