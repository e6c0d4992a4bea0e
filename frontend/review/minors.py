"""Whether a reviewer's verdict has to do with minors: then nobody is given a link to the picture."""

import re

from contract.acs import MINORS_CATEGORY, Review

_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of snake_case and camelCase, too
# What other reviewers than ours call it. In doubt it is the minors rule, as the price of that is a link.
_MINORS = re.compile(
    rf"\b({MINORS_CATEGORY}|minor|child\w*|csa\w*|csem|under ?aged?|(?:pre ?)?teens?|teenagers?|kids?"
    r"|juveniles?|infants?|toddlers?|bab(?:y|ies)|adolescen\w*|school ?(?:boy|girl|child)\w*|loli\w*|shota\w*"
    r"|pa?edo\w*)\b"
)


def about_minors(review: Review) -> bool:
    """Whether the rule that protects minors had a part in it, by any of the names that it tells."""
    told = [*review.codes, *(text for category in review.categories for text in (category.id, category.name))]
    return any(_MINORS.search(" ".join(_WORD.findall(text)).lower()) for text in told)
