"""One review: what is asked, what is answered, and the judgement between them. Pure."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from acs import minors, text
from acs.detections import Detections
from acs.minors import MinorsRule
from acs.ruleset import Ruleset

_RISK_SCORE = re.compile(r"\brisk_score\s{0,3}[=:]\s{0,3}(\d(?:\.\d{1,9})?)(?![\w.])")

Text = Annotated[str, Meta(max_length=32_000)]  # a composed prompt has at most 30,008 characters
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.-]*\Z", max_length=100)]


class ReviewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The body of POST /v1/reviews. Fields that are not listed are ignored."""

    gen_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z", description="Id for the log")]
    image_url: Annotated[str, Meta(max_length=8_192, description="Signed http(s) URL of the picture")]
    ruleset: Annotated[str, Meta(max_length=200, description="Name of a ruleset, see GET /v1/rulesets")]
    prompt: Annotated[Text, Meta(description="Canonical raw prompt; its terms `-...` are not judged")]
    positive: Annotated[Text, Meta(description="Composed positive prompt")]
    negative: Annotated[Text, Meta(description="Composed negative prompt; context, not judged")]
    character: Annotated[Text, Meta(description="Name of the character, or empty; judged like a prompt")]
    model: Annotated[Name, Meta(description="Name of the model; for the log")]
    precompliance: Annotated[
        str,
        Meta(
            max_length=2_000,
            description="What an upstream screening said. Never decides: a `risk_score=N` in it can lower "
            "the detector's thresholds, nothing can raise them",
        ),
    ]


class Category(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict. `safe` has no codes and no categories, `unsafe` has at least one of each."""

    compliance: Literal["safe", "unsafe"]
    codes: Annotated[tuple[str, ...], Meta(description="Ids of the rules that triggered")]
    categories: Annotated[tuple[Category, ...], Meta(description="The categories of those rules")]


def judge(order: ReviewOrder, ruleset: Ruleset, protection: MinorsRule, seen: Detections) -> Review:
    read = text.readings([text.without_negatives(order.prompt), order.positive, order.character])
    factor = _threshold_factor(ruleset, order.precompliance)
    codes = list(protection.codes(read, seen))
    categories = [Category(id=minors.CATEGORY_ID, name=minors.CATEGORY_NAME)] if codes else []
    for category in ruleset.categories:
        triggered = [rule.id for rule in category.rules if rule.triggered(read, seen, factor)]
        if triggered:
            codes += triggered
            categories.append(Category(id=category.id, name=category.name))
    return Review(compliance="unsafe" if codes else "safe", codes=tuple(codes), categories=tuple(categories))


def _threshold_factor(ruleset: Ruleset, precompliance: str) -> float:
    if ruleset.precompliance is None:
        return 1.0
    scores = [float(score) for score in _RISK_SCORE.findall(precompliance)]
    suspicious = max(scores, default=0.0) >= ruleset.precompliance.risk_score and bool(scores)
    return ruleset.precompliance.threshold_factor if suspicious else 1.0
