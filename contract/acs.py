"""The reviewer's HTTP contract: `POST /v1/reviews` and `GET /v1/rulesets`, docs/acs.md."""

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

REVIEWS_PATH, RULESETS_PATH = "/v1/reviews", "/v1/rulesets"
VERSION_HEADER = "Ruleset-Version"
"""Of a verdict: a header, since the body's fields are agreed upon."""
MAX_VERSION = 100  # characters
MINORS_CATEGORY = "minors"
"""Of the rule that protects minors; its codes begin with it, too. Clients get no link to what it blocked."""
MAX_CODES = 200
MAX_ANSWER_BYTES = 64 << 10
MAX_CREDENTIAL_TEXT = 2_000  # characters
Depiction = Literal["adult", "child", "nonhuman"]
"""What a character may be recorded to depict."""
Depicts = Depiction | Literal[""]
"""Of a picture: "" where there is no character, or nobody has recorded it."""
DEPICTIONS: tuple[Depiction, ...] = get_args(Depiction)

_Id = Annotated[str, Meta(min_length=1, max_length=200)]
_Text = Annotated[str, Meta(max_length=32_000)]  # a composed prompt has at most 30,008 characters
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]*\Z", max_length=100)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/reviews. Fields that are not listed are ignored."""

    gen_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z", description="Id for the log")]
    image_url: Annotated[str, Meta(max_length=8_192, description="Signed http(s) URL of the picture")]
    ruleset: Annotated[str, Meta(max_length=200, description="Name of a ruleset, see GET /v1/rulesets")]
    prompt: Annotated[_Text, Meta(description="Canonical raw prompt; its terms `-...` are not judged")]
    positive: Annotated[_Text, Meta(description="Composed positive prompt")]
    drawn: Annotated[_Text, Meta(description="The prompt exactly as the model was given it")]
    negative: Annotated[_Text, Meta(description="Composed negative prompt; context, not judged")]
    character: Annotated[_Text, Meta(description="Name of the character, or empty; judged like a prompt")]
    depicts: Annotated[
        Depicts,
        Meta(description="What the character is recorded to depict; empty: no character, or not recorded"),
    ]
    texts: Annotated[
        dict[_Name, Annotated[str, Meta(max_length=MAX_CREDENTIAL_TEXT)]],
        Meta(
            max_length=5,
            description="What the content credentials will say, by field: author, title, description, "
            "organization, vendor. Empty ones are left out. Judged like a prompt",
        ),
    ]
    watermark: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much of the picture a watermark of the client covers: mean of alpha times "
            "opacity over its area. 0: none",
        ),
    ]
    sha256: Annotated[Sha256, Meta(description="Of the picture's file; the reviewer checks and echoes it")]
    bytes: Annotated[int, Meta(ge=1, description="Size of the picture's file; the reviewer checks it")]
    model: Annotated[_Name, Meta(description="Name of the model; for the log")]
    precompliance: Annotated[
        str,
        Meta(
            max_length=2_000,
            description="What an upstream screening said. Never decides: a `risk_score=N` in it can lower "
            "the detector's thresholds, nothing can raise them",
        ),
    ]


class Category(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: _Id
    name: _Id


class Review(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict. `safe` has no codes and no categories, `unsafe` has at least one category."""

    compliance: Literal["safe", "unsafe"]
    codes: Annotated[
        tuple[_Id, ...], Meta(max_length=MAX_CODES, description="Ids of the rules that triggered")
    ]
    categories: Annotated[
        tuple[Category, ...], Meta(max_length=MAX_CODES, description="The categories of those rules")
    ]
    sha256: Annotated[Sha256, Meta(description="Of the bytes that were judged: that of the order")]

    def __post_init__(self) -> None:
        """Raises ValueError for a verdict that contradicts itself."""
        if self.compliance == "safe" and (self.codes or self.categories):
            raise ValueError("safe, and yet flagged")
        if self.compliance == "unsafe" and not self.categories:
            raise ValueError("unsafe, and no category")


class ListedRuleset(msgspec.Struct, frozen=True, kw_only=True):
    name: _Id
    version: Annotated[str, Meta(max_length=MAX_VERSION)] = ""
    description: str = ""
    categories: tuple[Category, ...] = ()


class RulesetList(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of GET /v1/rulesets. A reviewer that does not list them answers 404."""

    rulesets: Annotated[tuple[ListedRuleset, ...], Meta(max_length=1_000)]
