"""What a language model wrote, read as terms of a prompt. Pure; only plausible terms pass."""

import re

from contract.emphasis import Piece, plain, spell
from contract.limits import MAX_PROMPT_CHARACTERS
from frontend.common.errors import ApiError
from frontend.prompts.prompt import Prompt, clean
from frontend.prompts.terms import split

MAX_TERM = 120  # characters
MAX_TERMS = 40
MAX_LINES = 100  # that are looked at for terms

_THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
# "Prompt: ", "Here is the enhanced prompt: ", "**Prompt:** "
_PREFIX = re.compile(r"[^:]{0,80}\b(?:prompt|picture|description|answer|output)\b[\s*_]*:", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[*•>#]+|\d{1,2}[.)])\s+")
_MARKUP = " \t*_`~#"
_QUOTES = ('""', "“”", "«»", "''", "‘’")
_REFUSAL = re.compile(
    r"\b(?:i'm sorry|i am sorry|i apologi[sz]e|i can(?:'t|not)|i(?:'m| am) (?:unable|not able)|as an ai)\b",
    re.I,
)
_IMPLAUSIBLE = re.compile(r"[@<>{}\[\]|\\=~^$%;?!\ufffd]|://|^-|\.\S*\.|:.*:")
_WORD = re.compile(r"[^\W\d_]{2}|[\u0e00-\uffff]")


def terms(answer: str) -> tuple[str, ...]:
    """The plausible terms of the first line that holds any; none of a refusal or of nonsense."""
    for line in _THOUGHTS.sub("", answer[:MAX_PROMPT_CHARACTERS]).splitlines()[:MAX_LINES]:
        text = _BULLET.sub("", line.replace("’", "'"))
        if prefix := _PREFIX.match(text):
            text = text[prefix.end() :]
        if _REFUSAL.search(text):
            return ()
        found = tuple(filter(None, map(_literal, filter(_plausible, map(_unquote, _split(text))))))
        if found:
            return found[:MAX_TERMS]
    return ()


def _split(text: str) -> tuple[str, ...]:
    try:
        return split(clean(text, "", ""))
    except ApiError:  # a lone surrogate
        return ()


def _unquote(term: str) -> str:
    """Without markup and quotes around it; quotes within it stay."""
    term = term.strip(_MARKUP).rstrip(".:").strip(_MARKUP)
    for pair in _QUOTES:
        first, last = pair[0], pair[1]
        inner = term.removeprefix(first).removesuffix(last)
        if inner != term and (term[:1] + term[-1:] == first + last or not _paired(term, first, last)):
            return _unquote(inner)
    return term


def _paired(term: str, first: str, last: str) -> bool:
    return term.count(first) % 2 == 0 if first == last else term.count(first) == term.count(last)


def _plausible(term: str) -> bool:
    return len(term) <= MAX_TERM and bool(_WORD.search(term)) and not _IMPLAUSIBLE.search(term)


def _literal(term: str) -> str:
    """Without the answer's own emphasis, all its brackets text; empty where it is of another dialect."""
    literal = spell((Piece(" ".join(plain(term).split())),))
    try:
        return literal if Prompt("", (literal,), ()) else ""
    except ValueError:
        return ""
