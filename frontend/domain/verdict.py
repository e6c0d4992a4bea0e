"""What the reviewer said of one picture's exact bytes."""

import re
from typing import Annotated

from msgspec import Meta

from contract.acs import MINORS_CATEGORY, Review

_WORD = re.compile("[A-Z]+(?![a-z])|[A-Z]?[a-z]+")  # of snake_case and camelCase, too
# What other reviewers than ours call it. In doubt it is the minors rule, as the price of that is a link.
_CHILDREN = re.compile(
    rf"\b({MINORS_CATEGORY}|minor|child\w*|csa\w*|csem|under ?aged?|teens?|teenagers?|kids?|juveniles?"
    r"|pa?edo\w*)\b"
)


class Verdict(Review, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stored as JSON beside the job."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # of the picture's final bytes
    ruleset: str
    ruleset_version: str = ""  # as the reviewer calls it; "" where it says none
    when: str  # RFC 3339, UTC
    took_ms: float = 0.0

    @property
    def about_minors(self) -> bool:
        """Whether the rule that protects minors had a part in this, by any of the names that are told."""
        told = [*self.codes, *(text for category in self.categories for text in (category.id, category.name))]
        return any(_CHILDREN.search(" ".join(_WORD.findall(text)).lower()) for text in told)

    @property
    def summary(self) -> str:
        """What a client is told of a blocked picture."""
        names = ", ".join(category.name for category in self.categories)
        return f"Content blocked — flagged for: {names}."
