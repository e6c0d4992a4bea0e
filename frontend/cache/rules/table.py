"""The rules: each names what two prompts may not differ in, with pairs that show it."""

from collections.abc import Callable
from dataclasses import dataclass

from frontend.cache.rules import differences
from frontend.cache.rules.reading import Reading, read
from frontend.cache.wish import Wish

Pair = tuple[str, str]
"""A request and the prompt of a picture; terms with a leading dash are negatives."""


@dataclass(frozen=True)
class Rule:
    name: str
    compares: str
    differ: Callable[[Reading, Reading], bool]
    differing: tuple[Pair, ...]
    alike: tuple[Pair, ...]


RULES = (
    Rule("quoted text", "", differences.quotes, (), ()),
    Rule("count", "", differences.counts, (), ()),
    Rule("colour", "", differences.colours, (), ()),
    Rule("negation", "", differences.negations, (), ()),
    Rule("unwanted", "", differences.unwanted, (), ()),
    Rule("unmet", "", differences.unmet, (), ()),
    Rule("side", "", differences.sides, (), ()),
    Rule("place", "", differences.places, (), ()),
    Rule("role", "", differences.roles, (), ()),
    Rule("modifier", "", differences.modifiers, (), ()),
    Rule("order", "", differences.orders, (), ()),
    Rule("words", "", differences.words, (), ()),
)


def conflict(asked: Wish, made: Wish) -> str | None:
    if asked == made:
        return None
    one, other = read(asked), read(made)
    return next((rule.name for rule in RULES if rule.differ(one, other)), None)


def shows(drawn: str, negatives: tuple[str, ...]) -> bool:
    """Whether the text that a picture was drawn by, which says more than its wish where it was optimised, names
    what a request excludes."""
    return bool(negatives) and differences.unwanted(read(Wish("", negatives)), read(Wish(drawn)))
