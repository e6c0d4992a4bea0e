"""What is taken although it is not quite what a field's type asks for: the API's published fallbacks.

A marker stands beside the `Meta` of a request's field: `Annotated[int, Meta(ge=1, le=10), CLAMPED]`. The
reader (request_reader.py) goes by it, and so does the description that clients are given.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Lenience:
    """`take` makes of what was sent, of the right JSON type already, what the field's type allows."""

    outside: str  # what becomes of a value out of the range, in a few words
    take: Callable[[str], str] | None = None  # of trimmed text; None: a number is clamped, the rest stays
    drops: frozenset[str] = frozenset()  # rules of the type's schema that bind no client


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is said of a field, where it is another thing than its type says."""

    missing: str = ""  # of a refusal, in place of `Invalid FIELD: expected …`
    wrong: str = ""  # likewise
    expected: str = ""  # in place of what the type says is expected
    default: str = ""  # what is used where the field is not sent
    range: str = ""  # of its values, in documents
    trimmed: bool = True  # white space around it does not count


CLAMPED = Lenience("clamped", drops=frozenset(("minimum", "maximum")))


def cut(longest: int) -> Lenience:
    """Text of which what is over `longest` characters is left out."""
    return Lenience("the rest is cut off", lambda text: text[:longest], frozenset(("maxLength",)))


def otherwise(default: str, take: Callable[[str], str]) -> Lenience:
    """Text that is always something: what `take` does not know is `default`."""
    return Lenience(default, take, frozenset(("enum",)))
