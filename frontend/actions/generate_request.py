"""The body of `generate`: types, ranges, and the API's silent fallbacks."""

import hashlib
import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from contract.formats import FORMATS
from contract.limits import MAX_PROMPT_CHARACTERS, MAX_SEED
from contract.sizes import SIZES
from frontend.common.data_uri import ONE_PIXEL
from frontend.domain.job import CredentialTexts, WatermarkOptions
from frontend.finishing.anchor import canonical_position
from frontend.http.extension import EXTENSION
from frontend.http.json_object import Nested
from frontend.http.lenience import CLAMPED, Lenience, Words, cut, otherwise
from frontend.http.request_reader import Body, RequestReader
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.net.guarded_fetcher import MAX_URL

RANDOM_SEED = -1
# A 4 MiB picture as base64, with room for the data URI's head.
MAX_WM_IMAGE = 4 * 1024 * 1024 * 4 // 3 + 256
MAX_PRECOMPLIANCE = 2_000  # characters
MAX_CREDENTIAL = 1_000  # likewise, of each cs_ field
DEFAULT_FORMAT, DEFAULT_RULESET = next(iter(FORMATS)), "default"
MAX_BRIEF = (
    10_000  # characters of text that is compared as JSON, which would hold the other threads meanwhile
)
_SIZE_WORDS = Words(
    expected="integer; sizes are " + ", ".join(f"{width}x{height}" for width, height in SIZES),
    range="a size together with the other side",
)
_NO_SIZE = Lenience("{}x{}".format(*SIZES[0]))

RawPrompt = Annotated[
    str,
    Meta(
        description="The raw prompt: terms between commas, `-term` for what the picture should not show, "
        "`@name` for a character",
        examples=["@mira waving, in a meadow, -rain"],
        # After trimming.
        extra_json_schema={"minLength": 1, "maxLength": MAX_PROMPT_CHARACTERS},
    ),
    Words(missing="Prompt is required", trimmed=False, range="1 to 4,000 characters after trimming"),
]
ModelName = Annotated[
    Any,
    Meta(description="Name of a model, see `models`", examples=["eros"]),
    Lenience("the first one"),
    Words(default="the first one", range="a name of `models`"),
]
IdempotencyText = Annotated[
    str,
    Meta(
        pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,255}\Z",
        description="The same key with the same body within 24 hours is answered with the first job; with "
        "another body, 409. The header `Idempotency-Key` comes first",
        examples=["order-7f3a"],
        extra_json_schema=EXTENSION,
    ),
    Words(
        expected="string of 1 to 255 printable characters",
        default="none",
        range="1 to 255 printable characters",
        trimmed=False,
    ),
]
CredentialText = Annotated[str, Meta(max_length=MAX_CREDENTIAL)]


def _format(name: str) -> str:
    name = name.lower()
    return name if name in FORMATS else DEFAULT_FORMAT


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="generate"):
    """Orders a picture. The answer comes at once; the picture is fetched through `status`."""

    prompt: RawPrompt
    model: ModelName = None
    style: Annotated[
        str,
        Meta(description="The look: name of a style of the model", examples=["professional"]),
        Lenience("the model's"),
        Words(default="the model's", range="a style of the model"),
    ] = ""  # fmt: skip
    negative: Annotated[
        str,
        Meta(max_length=MAX_PROMPT_CHARACTERS, description="More terms that the picture should not show",
             examples=["fog, crowds"]),
    ] = ""  # fmt: skip
    optimize: Annotated[
        bool, Meta(description="Let the language model extend the prompt first", examples=[True])
    ] = False
    use_cache: Annotated[
        bool, Meta(description="Look for a picture made before that means the same", examples=[True])
    ] = False
    cache_only: Annotated[
        bool, Meta(description="With `use_cache`: 404 where none is found", examples=[False])
    ] = False
    cache_force: Annotated[
        bool,
        Meta(description="With `use_cache`: any picture of this model, style and character will do",
             examples=[False]),
    ] = False  # fmt: skip
    cache_pick: Annotated[
        int,
        Meta(ge=1, le=10, description="With `use_cache`: one of so many of the best is chosen at random",
             examples=[1]),
        CLAMPED,
    ] = 5  # fmt: skip
    width: Annotated[
        int,
        Meta(description="Pixels, across",
             examples=[1024]),
        _NO_SIZE,
        _SIZE_WORDS,
    ] = SIZES[0][0]  # fmt: skip
    height: Annotated[
        int,
        Meta(description="Pixels, from top to bottom",
             examples=[1024]),
        _NO_SIZE,
        _SIZE_WORDS,
    ] = SIZES[0][1]  # fmt: skip
    format: Annotated[
        str,
        Meta(description="Of the picture's file", examples=["webp"],
             extra_json_schema={"enum": list(FORMATS)}),
        otherwise(DEFAULT_FORMAT, _format),
    ] = DEFAULT_FORMAT  # fmt: skip
    quality: Annotated[
        int,
        Meta(ge=1, le=100, description="Of JPEG, WebP and AVIF; AVIF above 95 keeps full colour (4:4:4), "
             "which not every viewer shows", examples=[90]),
        CLAMPED,
    ] = 95  # fmt: skip
    lossless: Annotated[bool, Meta(description="WebP and AVIF without loss", examples=[False])] = False
    compliance_ruleset: Annotated[
        str,
        Meta(max_length=100, description="The reviewer's ruleset; one that it does not know is no verdict, "
             "so the job fails", examples=["default"]),
        Lenience("400; empty: default", lambda name: name or DEFAULT_RULESET),
    ] = DEFAULT_RULESET  # fmt: skip
    precompliance: Annotated[
        str,
        Meta(max_length=MAX_PRECOMPLIANCE, description="What your own check of the prompt said, for the "
             "reviewer, which decides by itself", examples=["no banned tokens; risk_score=0.04"]),
        cut(MAX_PRECOMPLIANCE),
    ] = ""  # fmt: skip
    wm_image: Annotated[
        str,
        Meta(max_length=MAX_WM_IMAGE, description="A watermark", examples=[ONE_PIXEL]),
        Words(range="PNG, JPEG or WebP as a base64 data URI, at most 4 MiB and 4096 px a side"),
    ] = ""  # fmt: skip
    wm_position: Annotated[
        str,
        Meta(description="Where it goes, in any usual spelling",
             examples=["top-left"]),
        Words(range="an edge or a corner"),
        otherwise("bottom-right", canonical_position),
    ] = "bottom-right"  # fmt: skip
    wm_scale: Annotated[
        int,
        Meta(ge=1, le=100, description="Its width, in percent of the picture's; reduced where the server "
             "bounds what it may cover", examples=[10]),
        CLAMPED,
    ] = 5  # fmt: skip
    wm_transparency: Annotated[
        int, Meta(ge=0, le=100, description="Its opacity: 100 is opaque, 0 invisible", examples=[80]), CLAMPED
    ] = 100
    wm_rotation: Annotated[
        int, Meta(ge=-360, le=360, description="Degrees counter-clockwise", examples=[45]), CLAMPED
    ] = 0
    wm_padding_x: Annotated[
        int, Meta(ge=0, le=500, description="Pixels from the left or right edge", examples=[24]), CLAMPED
    ] = 10
    wm_padding_y: Annotated[
        int, Meta(ge=0, le=500, description="Pixels from the upper or lower edge", examples=[24]), CLAMPED
    ] = 10
    cs_author: Annotated[
        CredentialText, Meta(description="Author in the content credentials", examples=["Studio North"])
    ] = ""
    cs_title: Annotated[CredentialText, Meta(description="Title", examples=["Meadow"])] = ""
    cs_description: Annotated[
        CredentialText, Meta(description="Description", examples=["Cover of the spring issue"])
    ] = ""
    cs_organization: Annotated[
        CredentialText, Meta(description="Organization", examples=["North Publishing"])
    ] = ""
    cs_vendor: Annotated[CredentialText, Meta(description="Vendor", examples=["North Pictures"])] = ""
    seed: Annotated[
        int,
        Meta(ge=RANDOM_SEED, le=MAX_SEED, description="-1: random; the same seed, prompt, style, size and "
             "model give the same picture", examples=[7], extra_json_schema=EXTENSION),
        Words(default="random"),
    ] = RANDOM_SEED  # fmt: skip
    idempotency_key: IdempotencyText = ""  # none
    webhook_url: Annotated[
        str,
        Meta(
            max_length=MAX_URL,
            description="Where the job's end is told, as `status` would answer it, signed by the Standard "
            "Webhooks scheme; the key needs a secret for that",
            examples=["https://studio.example/imgen"],
            extra_json_schema=EXTENSION,
        ),
        Words(
            default="none",
            range="https, a public address",
        ),
    ] = ""

    @property
    def size(self) -> tuple[int, int]:
        """Any numbers will do: what is no size together is the first one."""
        asked = self.width, self.height
        return asked if asked in SIZES else SIZES[0]

    @property
    def fixed_seed(self) -> int | None:
        return None if self.seed == RANDOM_SEED else self.seed

    @property
    def watermark(self) -> WatermarkOptions:
        return WatermarkOptions(
            position=self.wm_position,
            scale=self.wm_scale,
            transparency=self.wm_transparency,
            rotation=self.wm_rotation,
            padding_x=self.wm_padding_x,
            padding_y=self.wm_padding_y,
        )

    @property
    def texts(self) -> CredentialTexts:
        return CredentialTexts(
            author=self.cs_author,
            title=self.cs_title,
            description=self.cs_description,
            organization=self.cs_organization,
            vendor=self.cs_vendor,
        )

    @property
    def own_look(self) -> bool:
        """Whether the picture will bear marks or texts that are this client's alone."""
        return bool(self.wm_image or any(msgspec.structs.astuple(self.texts)))


read_generate = RequestReader(GenerateRequest).read


def repeat_of(asked: GenerateRequest, header: str | None, body: Body, owner: str) -> IdempotencyKey:
    """The idempotency key of a request that has one, from its header or its body, bound to the rest of the
    body. Raises ApiError 400.
    """
    if header is not None:
        return repeat_by_header(header, body, owner)
    return _bind(asked.idempotency_key, body, owner)


def repeat_by_header(header: str, body: Body, owner: str) -> IdempotencyKey:
    """The same of a request whose key can be in its header alone."""
    return _bind(_headers.read({"idempotency_key": header}).idempotency_key, body, owner)


def _bind(key: str, body: Body, owner: str) -> IdempotencyKey:
    rest = {name: _brief(value) for name, value in body.items() if name != "idempotency_key"}
    return IdempotencyKey(owner, _digest(key), _digest(rest))


class _Header(msgspec.Struct):
    idempotency_key: IdempotencyText


_headers = RequestReader(_Header)


def _brief(value: Any) -> Any:
    """What is nested and what is long by its digest, in a list: no field's value is one."""
    if isinstance(value, Nested):
        return [value.digest]
    if isinstance(value, str) and len(value) > MAX_BRIEF:
        return [hashlib.sha256(value.encode()).hexdigest(), len(value)]
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
