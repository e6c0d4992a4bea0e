"""An accepted order, as it is stored."""

import secrets
import string

import msgspec

from contract.acs import Depicts
from frontend.domain.prompt_intent import PromptIntent

CACHED = "cache_"  # begins the id of a job that the cache answered
_ALPHABET = string.ascii_lowercase + string.digits


def new_id(length: int) -> str:
    """Unguessable; 20 characters carry 103 bits. One number for all: the system takes long to give one."""
    number, letters = secrets.randbelow(len(_ALPHABET) ** length), []
    for _ in range(length):
        number, at = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[at])
    return "".join(letters)


class WatermarkOptions(msgspec.Struct, frozen=True, kw_only=True):
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


# Of Job as it is stored. A new field that has a default changes nothing: older servers pass it over, newer
# ones read records without it. One without which an older worker would draw another picture makes it one
# more; such jobs are left to workers that know it, and every server tells of them (docs/decisions/jobs.md).
RECORD_VERSION = 2
"""The newest that this program reads."""


class Job(msgspec.Struct, frozen=True, kw_only=True, rename={"watermark": "mark", "intent": "wish"}):
    """An accepted order. Never changes; a watermark is kept beside it until it is used."""

    id: str
    gen_id: str
    owner: str  # id of the key that may see it
    time: str  # RFC 3339, UTC, of acceptance
    prompt: str  # canonical raw prompt, after optimisation
    positive: str  # composed
    negative: str  # composed
    # The prompt exactly as Triton is given it and the reviewer is told. None: of an older version, which may
    # have drawn more than it says; or a picture of the cache, as its maker's words are nobody else's.
    drawn: str | None = None
    character: str  # "" for none
    rights: str = ""  # the character's, as declared when the job was accepted
    depicts: Depicts = ""  # the character's, likewise; "" where it is not recorded
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
    watermark: WatermarkOptions
    texts: CredentialTexts
    notes: tuple[str, ...] = ()  # to the client: what of the prompt was left out, or ended where
    # Before optimisation. None: the picture is for this client alone, not for the cache.
    intent: PromptIntent | None = None
    trace: str = ""  # W3C traceparent of the request that it came with; "" for none known
    recipe: str = ""  # what the catalogue added, see frontend/catalogue/recipe.py
    style_strength: float = 0.0  # of the style's LoRA, as declared when the job was accepted; 0: it has none
    sampler: str = ""  # these two, likewise: "" for the model's own
    spacing: str = ""

    @property
    def record_version(self) -> int:
        """1: without a LoRA of its style, a sampler or a spacing, which older workers would draw without."""
        return RECORD_VERSION if self.style_strength or self.sampler or self.spacing else 1

    @property
    def cached(self) -> bool:
        """Whether it hands out a picture that another job made."""
        return self.id.startswith(CACHED)
