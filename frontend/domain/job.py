"""What is stored of a job: the order, the picture that came of it, and the state that a poll sees."""

import secrets
import string
from enum import StrEnum

import msgspec

from frontend.prompts.intent import Wish
from frontend.review.reviewer import Verdict

CACHED = "cache_"  # begins the id of a job that the cache answered
_ALPHABET = string.ascii_lowercase + string.digits


def new_id(length: int) -> str:
    """Unguessable; 20 characters carry 103 bits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


class State(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    REVIEWING = "REVIEWING"  # made, not yet judged; clients see IN_PROGRESS
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"


class MarkOptions(msgspec.Struct, frozen=True, kw_only=True):
    position: str
    scale: int
    transparency: int
    rotation: int
    padding_x: int
    padding_y: int


class CredentialTexts(msgspec.Struct, frozen=True, kw_only=True):
    author: str
    title: str
    description: str
    organization: str
    vendor: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted order. Never changes; a watermark is kept beside it until it is used."""

    id: str
    gen_id: str
    owner: str  # id of the key that may see it
    time: str  # RFC 3339, UTC, of acceptance
    prompt: str  # canonical raw prompt, after optimisation
    positive: str  # composed
    negative: str  # composed
    exclusion: str = ""  # composed; goes after `positive`
    character: str  # "" for none
    rights: str = ""  # the character's, as declared when the job was accepted
    model: str
    style: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int
    format: str
    quality: int
    lossless: bool
    optimized: bool
    compliance_ruleset: str
    precompliance: str
    mark: MarkOptions
    texts: CredentialTexts
    wish: Wish | None = (
        None  # before optimisation; None: the picture is for this client alone, not for the cache
    )
    recipe: str = ""  # what the catalogue added, see frontend/cache/candidate.py

    @property
    def cached(self) -> bool:
        """Whether it hands out a picture that another job made."""
        return self.id.startswith(CACHED)


class StoredPicture(msgspec.Struct, frozen=True, kw_only=True):
    """Where a finished picture lies. Filled by the worker after both files are stored."""

    sha256: str  # of the picture's final bytes: what a verdict is bound to
    key: str
    filename: str
    thumbnail_key: str
    thumbnail_filename: str
    fingerprint: str
    fingerprint_quality: int = 0  # PDQ's, 0 to 100
    mark: str = ""  # identity in the invisible mark, 16 hex digits; "" for none
    mark_key: int = 0  # version of the key that it was laid with
    timings_ms: dict[str, float]  # queue, denoise, decode, finish
    weights: dict[str, str] = {}  # SHA-256 of the engine and what it was made of


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent reading of a job."""

    job: Job
    state: State
    progress: float
    queue_position: int | None  # 1 is next; None when it does not wait
    error: str
    picture: StoredPicture | None
    verdict: Verdict | None
