"""The judgement between what the reviewer is asked and what it answers. Pure."""

import re

from acs import minors, text
from acs.detections import Detections
from acs.minors import MinorsRule
from acs.ruleset import Ruleset
from contract.acs import Category, Review, ReviewRequest

_RISK_SCORE = re.compile(r"\brisk_score\s{0,3}[=:]\s{0,3}(\d(?:\.\d{1,9})?)(?![\w.])")


def judge(request: ReviewRequest, ruleset: Ruleset, protection: MinorsRule, seen: Detections) -> Review:
    told = (request.positive, request.drawn, request.character, *request.texts.values())
    read = text.readings([text.without_negatives(request.prompt), *told])
    child = request.depicts == "child" or (bool(request.character) and not request.depicts)
    factor = _threshold_factor(ruleset, request.precompliance)
    codes = list(protection.codes(read, seen, child=child))
    categories = [Category(id=minors.CATEGORY_ID, name=minors.CATEGORY_NAME)] if codes else []
    for category in ruleset.categories:
        triggered = [rule.id for rule in category.rules if rule.triggers(read, seen, factor)]
        if triggered:
            codes += triggered
            categories.append(Category(id=category.id, name=category.name))
    return Review(
        compliance="unsafe" if codes else "safe",
        codes=tuple(codes),
        categories=tuple(categories),
        sha256=request.sha256,
    )


def _threshold_factor(ruleset: Ruleset, precompliance: str) -> float:
    if ruleset.precompliance is None:
        return 1.0
    scores = [float(score) for score in _RISK_SCORE.findall(precompliance)]
    suspicious = max(scores, default=0.0) >= ruleset.precompliance.risk_score and bool(scores)
    return ruleset.precompliance.threshold_factor if suspicious else 1.0
