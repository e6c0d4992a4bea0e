"""The body of `generate`, validated: types checked, ranges clamped, the API's silent fallbacks applied."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import msgspec

from contract.formats import FORMATS
from contract.limits import MAX_PROMPT_CHARACTERS, MAX_SEED
from contract.sizes import SIZES
from frontend.common.errors import ApiError
from frontend.domain.job import CredentialTexts, WatermarkOptions
from frontend.finishing.anchor import canonical_position
from frontend.http.fields import Body, boolean, integer, text, whole_number
from frontend.http.json_object import Nested
from frontend.jobs.idempotency_key import IdempotencyKey

RANDOM_SEED = -1
# A 4 MiB picture as base64, with room for the data URI's head.
MAX_WM_IMAGE = 4 * 1024 * 1024 * 4 // 3 + 256
MAX_BRIEF = (
    10_000  # characters of text that is compared as JSON, which would hold the other threads meanwhile
)


@dataclass(frozen=True, kw_only=True)
class GenerateRequest:
    """What a client asked for. The prompt is still raw, and names are still to be looked up."""

    prompt: str
    model: object  # anything but a known model's name means the first model
    style: str
    negative: str
    optimize: bool
    use_cache: bool
    cache_only: bool
    cache_force: bool
    cache_pick: int
    size: tuple[int, int]
    format: str
    quality: int
    lossless: bool
    compliance_ruleset: str
    precompliance: str
    wm_image: str  # data URI, not yet decoded
    watermark: WatermarkOptions
    texts: CredentialTexts
    seed: int | None

    @property
    def own_look(self) -> bool:
        """Whether the picture will bear marks or texts that are this client's alone."""
        return bool(self.wm_image or any(msgspec.structs.astuple(self.texts)))

    @classmethod
    def from_body(cls, body: Body) -> "GenerateRequest":
        """Raises ApiError 400."""
        return cls(
            prompt=raw_prompt(body),
            model=body.get("model"),
            style=text(body, "style", most=None),
            negative=text(body, "negative", most=MAX_PROMPT_CHARACTERS),
            optimize=boolean(body, "optimize"),
            use_cache=boolean(body, "use_cache"),
            cache_only=boolean(body, "cache_only"),
            cache_force=boolean(body, "cache_force"),
            cache_pick=integer(body, "cache_pick", 5, 1, 10),
            size=_size(body),
            format=_format(body),
            quality=integer(body, "quality", 95, 1, 100),
            lossless=boolean(body, "lossless"),
            compliance_ruleset=text(body, "compliance_ruleset", most=100) or "default",
            precompliance=text(body, "precompliance", most=None)[:2000],
            wm_image=text(body, "wm_image", most=MAX_WM_IMAGE),
            watermark=_watermark(body),
            texts=_texts(body),
            seed=_seed(body),
        )


def raw_prompt(body: Body) -> str:
    """The untouched prompt: its length and its characters are the parser's business."""
    value = body.get("prompt")
    if value is None:
        raise ApiError(400, "Prompt is required")
    if not isinstance(value, str):
        raise ApiError(400, "Invalid prompt: expected string")
    return value


def _size(body: Body) -> tuple[int, int]:
    """Any number will do: what is no size together is the first one."""
    words = "integer; sizes are " + ", ".join(f"{width}x{height}" for width, height in SIZES)
    asked = (
        whole_number(body, "width", SIZES[0][0], words),
        whole_number(body, "height", SIZES[0][1], words),
    )
    return asked if asked in SIZES else SIZES[0]


def _format(body: Body) -> str:
    name = text(body, "format", most=None).lower()
    return name if name in FORMATS else next(iter(FORMATS))


def _seed(body: Body) -> int | None:
    seed = integer(body, "seed", RANDOM_SEED, RANDOM_SEED, MAX_SEED, clamp=False)
    return None if seed == RANDOM_SEED else seed


def _watermark(body: Body) -> WatermarkOptions:
    return WatermarkOptions(
        position=canonical_position(text(body, "wm_position", most=None)),
        scale=integer(body, "wm_scale", 5, 1, 100),
        transparency=integer(body, "wm_transparency", 100, 0, 100),
        rotation=integer(body, "wm_rotation", 0, -360, 360),
        padding_x=integer(body, "wm_padding_x", 10, 0, 500),
        padding_y=integer(body, "wm_padding_y", 10, 0, 500),
    )


def _texts(body: Body) -> CredentialTexts:
    names = ("author", "title", "description", "organization", "vendor")
    return CredentialTexts(**{name: text(body, f"cs_{name}") for name in names})


def is_repeatable(body: Body, header: str | None) -> bool:
    """Whether the request has an idempotency key."""
    return header is not None or body.get("idempotency_key") is not None


def idempotency_key(body: Body, header: str | None, owner: str) -> IdempotencyKey | None:
    """The idempotency key of a request, from its header or its body, bound to the rest of the body.

    Raises ApiError 400.
    """
    key = header if header is not None else body.get("idempotency_key")
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= 255 or not key.isprintable():
        raise ApiError(400, "Invalid idempotency_key: expected string of 1 to 255 printable characters")
    rest = {name: _brief(value) for name, value in body.items() if name != "idempotency_key"}
    return IdempotencyKey(owner, _digest(key), _digest(rest))


def _brief(value: Any) -> Any:
    """What is nested and what is long by its digest, in a list: no field's value is one."""
    if isinstance(value, Nested):
        return [value.digest]
    if isinstance(value, str) and len(value) > MAX_BRIEF:
        return [hashlib.sha256(value.encode()).hexdigest(), len(value)]
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
