"""`@name` in a raw prompt: which characters it names, and the text without them."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from frontend.prompts.terms import DASH, raw_terms, refuses

_AT = re.compile("[@\uff20\ufe6b]+")  # also full-width and small
_NAMING = re.compile(rf"{_AT.pattern}(?=\w)")
_WORD = re.compile(r"\w")
# Latin letters and these before the @ make it an e-mail address; letters of other scripts stand in none.
_OF_AN_ADDRESS = re.compile(r"[0-9_%+]")
_RUN = re.compile(r"\w[\w-]*")
_POSSESSIVE = re.compile(r"['\u2019][sS]\b")
_GONE = "\0"  # where a name stood; clean text has none
_WEIGHT = r"(?:(?:[:\uff1a][ \t]*|[ \t]+[:\uff1a][ \t]+)[+-]?\d*[.,]?\d+|\+{1,20})?"
_PAIRS = ("()", "[]", "{}", "\uff08\uff09", "\uff3b\uff3d", "\u3010\u3011", "\u300c\u300d", "\u300e\u300f",
          "\u300a\u300b", "<>", '""', "''", "\u201c\u201d", "\u2018\u2019")  # fmt: skip
_EMPTIED = re.compile(
    "|".join(rf"{re.escape(pair[0])}\s*{_GONE}{_WEIGHT}\s*{re.escape(pair[1])}" for pair in _PAIRS)
)
_OPENING = "".join(re.escape(pair[0]) for pair in _PAIRS)
_WEIGHED = re.compile(rf"{_GONE}\s*(?:[:\uff1a]\s*[+-]?[.\d]|\+)|([(\[])\1\s*{_GONE}")
_REST = re.compile(
    rf"([{_OPENING}]?)[ \t]*{_GONE}{_WEIGHT}[.:;!?\u2026\u3002\uff0e\uff1a\uff1b\uff01\uff1f]*[ \t]*"
)


@dataclass(frozen=True)
class Mentions:
    names: tuple[str, ...]  # in order, as in the catalogue: lower case, letters of normal width
    text: str  # what is left, without brackets and punctuation that belonged to a name alone
    weighted: bool = False  # whether one is given a weight


def find_mentions(text: str, known: Collection[str]) -> Mentions:
    """`text` is clean: no control characters but line breaks. Names that are not `known` are told, too.

    A known name also ends where the script changes: letters that follow it in another script are text.
    """
    names: list[str] = []
    weighted = False
    while found := list(_scan(text, known)):  # what is left may name another: @name:1.2@other
        names += [name for _, name, _ in found]
        for start, _, end in reversed(found):
            text = f"{text[:start]}{_GONE}{text[end:]}"
        weighted |= bool(_WEIGHED.search(text))
        text = _tidy(text)
    return Mentions(tuple(names), text, weighted)


def without_at(text: str) -> str:
    """`text` naming nobody."""
    return _NAMING.sub("", text)


def _scan(text: str, known: Collection[str]) -> Iterator[tuple[int, str, int]]:
    """Where each mention begins, its name, where it ends."""
    for begin, term in raw_terms(text):
        negative, end = refuses(term), -1
        for match in _AT.finditer(term):
            start = match.start()
            glued = start == end  # to the mention before
            run = _RUN.match(term, match.end())
            if run is None or (not glued and _is_text(term[:start], negative)):
                continue
            name = _name_in(run[0], known)
            end = match.end() + len(name)
            if possessive := _POSSESSIVE.match(term, end):
                end = possessive.end()
            yield begin + start, _fold(name), begin + end


def _is_text(before: str, negative: bool) -> bool:
    """Whether an @ behind that names nobody: it is in an address, or all that a negative term says."""
    last = before[-1:]
    if _OF_AN_ADDRESS.match(last) or DASH.match(last) or (last.isalpha() and _is_latin(last)):
        return True
    return negative and not _WORD.search(before)


def _name_in(run: str, known: Collection[str]) -> str:
    """As much of `run` as is the name."""
    if _fold(run) in known:
        return run
    latin = next((at for at, char in enumerate(run) if not _goes_with_latin(char)), len(run))
    return run[:latin] if _fold(run[:latin]) in known else run


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).lower()


def _goes_with_latin(char: str) -> bool:
    """Digits, dashes, underscores and accents are of every script."""
    return not char.isalpha() or _is_latin(char)


def _is_latin(char: str) -> bool:
    return "LATIN" in unicodedata.name(char, "")


def _tidy(text: str) -> str:
    before = ""
    while text != before:  # ((@name))
        before, text = text, _EMPTIED.sub(_GONE, text)
    return _REST.sub(lambda match: match[1] or " ", text)
