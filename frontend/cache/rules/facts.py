"""What the rules know besides words: which kinds there are of what, what says what already."""

from collections.abc import Iterable

from frontend.cache.rules.lists import rows, terms
from frontend.cache.rules.tokens import tokens
from frontend.cache.rules.vocabulary import VOCABULARY, token
from frontend.cache.rules.word import NAMES


def lemmas(text: str) -> frozenset[str]:
    """Of the words of a normalised text that say something."""
    return frozenset(one.lemma for one in tokens(text) if one.kind in NAMES)


def _all(words: Iterable[str]) -> frozenset[str]:
    return frozenset(token(word).lemma for word in words)


GROUNDS = _all(terms("grounds"))
PLENTY = _all(terms("plenty"))
IMPLIED = {token(word).lemma: _all(others) for word, others in rows("implied")}
FLAWS = frozenset(map(lemmas, terms("flaws"))) - {frozenset()}
COLOURS = VOCABULARY.colours
ON_IN_AT = VOCABULARY.places["on"] | VOCABULARY.places["in"] | VOCABULARY.places["at"]


def _above() -> dict[str, frozenset[str]]:
    above: dict[str, set[str]] = {}
    for kind, words in rows("kinds"):
        for word in _all(words):
            above.setdefault(word, set()).add(token(kind).lemma)
    return {word: frozenset(kinds) for word, kinds in above.items()}


ABOVE = _above()


def with_kinds(words: frozenset[str]) -> frozenset[str]:
    """The words and all that they are kinds of."""
    return words.union(*(ABOVE[word] for word in words if word in ABOVE))
