"""What the server answers. Fields that an older server does not know have a default; unknown ones are kept in
`answer`, which is all that was told."""

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar

import msgspec

from .errors import NotImgen


class GenerateFields(TypedDict, total=False):
    """What `generate` takes beside the prompt; docs/api.md has each one's range."""

    model: str
    style: str
    negative: str
    width: int
    height: int
    format: str
    quality: int
    lossless: bool
    seed: int
    webhook_url: str
    optimize: bool
    use_cache: bool
    cache_only: bool
    cache_force: bool
    cache_pick: int
    compliance_ruleset: str
    precompliance: str
    wm_image: str
    wm_position: str
    wm_scale: int
    wm_transparency: int
    wm_rotation: int
    wm_padding_x: int
    wm_padding_y: int
    cs_author: str
    cs_title: str
    cs_description: str
    cs_organization: str
    cs_vendor: str


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    answer: Mapping[str, Any]


class Ordered(_Told, frozen=True, kw_only=True):
    id: str
    prompt: str = ""  # canonical, as it is drawn
    model: str = ""
    format: str = ""
    gen_id: str = ""
    cache: bool = False
    notes: tuple[str, ...] = ()


class Image(msgspec.Struct, frozen=True, kw_only=True):
    url: str  # signed, for minutes
    type: str
    filename: str = ""


class Meta(_Told, frozen=True, kw_only=True):
    """What was used, fallbacks and clamps included, and what came of it."""

    id: str
    gen_id: str
    images: tuple[Image, ...]
    time: str = ""
    prompt: str = ""
    positive: str = ""
    negative: str = ""
    drawn: str = ""
    character: str = ""
    model: str = ""
    style: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    quality: int = 0
    lossless: bool = False
    optimized: bool = False
    seed: int = -1
    steps: int = 0
    sampler: str = ""
    spacing: str = ""
    guidance: float = 0.0
    compliance: str = ""
    compliance_codes: tuple[str, ...] = ()
    compliance_ruleset: str = ""
    precompliance: str = ""
    fingerprint: str = ""
    enable_invisimark: bool = False
    enable_c2pa: bool = False
    compute_pdq: bool = False
    weights: Mapping[str, str] = {}
    runtime: str = ""
    timings: Mapping[str, float] = {}
    wm_position: str = ""
    wm_scale: int = 0
    wm_transparency: int = 0
    wm_rotation: int = 0
    wm_padding_x: int = 0
    wm_padding_y: int = 0
    cs_author: str = ""
    cs_title: str = ""
    cs_description: str = ""
    cs_organization: str = ""
    cs_vendor: str = ""


class Status(_Told, frozen=True, kw_only=True):
    """Where a job stands."""

    status: str
    progress: float = 0.0  # 0 to 1
    queue_position: int | None = None  # 1 is next
    meta: Meta | None = None  # of a picture that is made, and was found safe
    cache: bool = False
    compliance: str = ""  # "unsafe" of a blocked picture
    error: str = ""
    filter_categories: tuple[str, ...] = ()
    unsafe_url: str = ""  # base64

    @property
    def pending(self) -> bool:
        return self.status in ("IN_QUEUE", "IN_PROGRESS")


class Style(msgspec.Struct, frozen=True, kw_only=True):
    label: str = ""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    label: str = ""
    default_style: str = ""
    styles: Mapping[str, Style] = {}


class Models(_Told, frozen=True, kw_only=True):
    characters: tuple[str, ...]
    models: Mapping[str, Model]  # the first is the default one


class Prompted(_Told, frozen=True, kw_only=True):
    prompt: str
    notes: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content credentials, by whomever."""

    state: str
    made_by: str = ""
    generator: str = ""
    issuer: str = ""
    changed: bool = False
    detail: str = ""
    agrees: tuple[str, ...] = ()


class Verification(_Told, frozen=True, kw_only=True):
    """Whether a picture was made here; `answer` has the evidence that a key is told."""

    result: str  # made_here, mark_found, manifest_found, similar, not_found: only the first is proof
    proof: str | None = None
    time: str | None = None
    system: str | None = None
    manifest: Manifest | None = None

    @property
    def made_here(self) -> bool:
        return self.result == "made_here"


class Used(msgspec.Struct, frozen=True, kw_only=True):
    jobs: int = 0
    pictures: int = 0  # drawn, blocked ones included
    blocked: int = 0
    cached: int = 0
    engine_ms: int = 0
    bytes: int = 0


class UsedDay(Used, frozen=True, kw_only=True):
    day: str  # UTC


class Usage(_Told, frozen=True, kw_only=True):
    """What the key has used; `limits` are those that it was given."""

    total: Used
    days: tuple[UsedDay, ...] = ()
    limits: Mapping[str, Any] = {}


T = TypeVar("T", bound=_Told)


def read(kind: type[T], told: Mapping[str, Any]) -> T:
    """Raises NotImgen."""
    meta = told.get("meta")
    whole = {**told, "answer": told}
    if isinstance(meta, Mapping):
        whole["meta"] = {**meta, "answer": meta}
    try:
        return msgspec.convert(whole, kind)
    except msgspec.ValidationError as error:
        raise NotImgen(f"the answer is not an imgen server's: {error}") from None
