"""What a prompt's signs say: "-20°C", "2:1", "C++", ":)", "(red car:1.3)", "man-eating".

No rule knows what a sign means, so a term that holds one is compared as it is written: its words and signs in
their order, but for what `normalise` takes for one spelling. A term ends at a comma outside of brackets and
quotation marks; where a prompt has a BREAK, all of it is one term.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby

from frontend.cache.rules.tokens import BREAK_SIGN, tokens
from frontend.cache.rules.vocabulary import VOCABULARY, token
from frontend.cache.rules.word import SILENT, WordKind

_LETTER = r"[^\W\d_]"
# Ends of sentences, dashes between words, and what joins the words of a tag ("long_hair") say no more than a
# comma or a space.
_ENDS = re.compile(rf"\u3002+|(?:(?:^|(?<=[\s,]))[.!;]+|(?<![.;])[.;]+|(?<={_LETTER})(?:[.!]+|:))(?=[\s,]|$)")
_DASH = re.compile(rf"(?<={_LETTER}{{2}})\s+-+\s+(?={_LETTER}{{2}}|a\s)|\u2014")
_TAG = re.compile(r"(?<=[^\W_]{2})_+(?=[^\W_])|(?<=[^\W_])_+(?=[^\W_]{2})")
_ODD = re.compile(r"[^\w\s,]|_")  # most prompts have none of these
_COMMAS = re.compile("[,\u3001\n]")
# All but letters, digits, spaces and commas, hyphens within a word, and apostrophes behind a letter.
_SIGN = re.compile(rf"[^\w\s,\u3001'-]|_|(?<!{_LETTER})['-]|-(?!{_LETTER})")
_CUT = re.compile(r"[,\u3001\n\"]|(?<![:;=\\])(?<![:;=][-'])[()\[\]{}]")
_OPENING, _CLOSING = "([{", ")]}"
_WEIGHT = r"[+-]?[\d.]+ ?[)\]]"
_PADDING = re.compile(rf"(?<=[(\[{{]) | (?=[)\]}}]|: ?{_WEIGHT})|(?<=:) (?={_WEIGHT})")
_COMPOUND = re.compile(rf"(?<!{_LETTER}){_LETTER}+(?:-{_LETTER}+)+")
_OWNER = re.compile(rf"(?<!{_LETTER})(?:({_LETTER}+)'s|({_LETTER}+s)')(?!\w)")
_ARE = frozenset(("it", "that", "who", "what", "where", "there", "here", "he", "she", "let"))
"""Behind these, 's is "is" or "us"."""


def soften(text: str) -> str:
    """A normalised text with commas for all that only ends a sentence or a clause."""
    return _DASH.sub(",", _ENDS.sub(",", _TAG.sub(" ", text))) if _ODD.search(text) else text


def sign_terms(text: str) -> list[str]:
    """The terms of a softened text that hold a sign, each in one spelling, in one order."""
    if not _has_sign(text):
        return []
    terms = [text] if BREAK_SIGN in text else _terms(text)
    return sorted(_spell(term) for term in terms if _has_sign(term))


def without_commas(text: str) -> str:
    return " ".join(_COMMAS.sub(" ", text).split())


def _spell(term: str) -> str:
    """Its words in their base form, its signs as they are, without commas and words that say nothing."""
    text = _PADDING.sub("", without_commas(term))
    return " ".join(
        word
        for odd, pieces in groupby(text.split(), _has_sign)
        for word in (pieces if odd else _said(pieces))
    )


def marked_words(text: str) -> Iterator[str]:
    """Compounds whose hyphens are not known to say nothing ("man-eating"), owners ("the king's")."""
    if "-" in text:
        yield from (word for word in _COMPOUND.findall(text) if not _is_plain(word.split("-")))
    if "'" in text:
        yield from (f"{one or more}'" for one, more in _OWNER.findall(text) if one not in _ARE)


def _has_sign(text: str) -> bool:
    """Accents that no letter has taken up are of the letter."""
    if not _ODD.search(text):
        return False
    return any(unicodedata.category(found[0])[0] != "M" for found in _SIGN.finditer(text))


def _terms(text: str) -> Iterator[str]:
    begin = depth = 0
    quotes = text.count('"') // 2 * 2  # the last of an odd number is of inches
    for found in _CUT.finditer(text):
        one = found[0]
        if one == '"':
            quotes -= 1
        elif one in _OPENING:
            depth += 1
        elif one in _CLOSING:
            depth = max(0, depth - 1)
        elif depth == 0 and (quotes < 0 or quotes % 2 == 0):
            yield text[begin : found.start()]
            begin = found.end()
    yield text[begin:]


def _said(pieces: Iterable[str]) -> Iterator[str]:
    return (one.lemma for one in tokens(" ".join(pieces)) if one.kind not in SILENT)


def _is_plain(parts: list[str]) -> bool:
    """Whether the words say without hyphens what they say with them: "twenty-one", "curly-haired"."""
    said = [token(part) for part in parts]
    bases = tuple(one.form.base for one in said)
    if any(bases == phrase[: len(bases)] for phrase, _ in VOCABULARY.phrases.get(bases[0], ())):
        return True
    if all(one.kind is WordKind.NUMBER for one in said) or all(one.kind in SILENT for one in said):
        return True
    *first, last = said
    if not all(one.kind in {WordKind.MODIFIER, WordKind.AND} for one in first):
        return False
    return last.form.participle or (last.kind is WordKind.MODIFIER and not last.noun)
