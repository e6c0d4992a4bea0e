"""One word or set phrase of a prompt: what kind it is and what it says."""

from enum import Enum, auto
from typing import NamedTuple

from frontend.cache.rules.inflections import Form

VAGUE = {"some": -1, "few": -2, "lots": -3, "dozens": -4, "hundreds": -5, "thousands": -6}
"""Numbers that are not said. A plural alone is "some"."""
SOME = VAGUE["some"]


class WordKind(Enum):
    WORD = auto()
    MODIFIER = auto()  # belongs to a word: "red", "old"
    VERB = auto()
    NUMBER = auto()
    RELATION = auto()  # between two things: "under"
    SIDE = auto()  # of the picture: "on the left"
    NEGATION = auto()
    ARTICLE = auto()
    AND = auto()
    OR = auto()
    BREAK = auto()  # a comma, the end of a sentence
    STOP = auto()  # says nothing: "that", "is"
    TRIFLE = auto()  # changes no picture: "high quality"


SILENT = frozenset({WordKind.ARTICLE, WordKind.STOP, WordKind.TRIFLE})
NAMES = frozenset({WordKind.WORD, WordKind.MODIFIER, WordKind.VERB})
"""What says something of its own."""


class Token(NamedTuple):
    kind: WordKind
    lemma: str  # the same for all words that ask for the same
    form: Form
    number: int = 0  # of a NUMBER; of an ARTICLE 1 for "a", else 0
    places: int = 0  # of a RELATION: bits of what it can mean
    both_ways: bool = False  # of a RELATION: "next to"
    encoded: bool = True  # whether the encoded text has it
    noun: bool = False  # of a MODIFIER: a noun where no other word follows
