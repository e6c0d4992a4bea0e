"""What a prompt says, made comparable: case, accents, look-alike letters, l33t and spelled-out w o r d s.

English is covered well; other languages only where a word list names their words.
"""

import re
import unicodedata
from collections.abc import Iterable

_DROPPED = frozenset({"Mn", "Me", "Cf", "Cc", "Cs", "Co"})  # accents, invisible and private characters
# Cyrillic, Greek and Latin letters that look like the letters a to z (after case folding).
_LOOKALIKES = str.maketrans("аеорсухіјѕԁһкмтпαεορκιντυχıɡ", "aeopcyxijsdhkmtnaeopkivtuxig")
_JOINERS = str.maketrans("_\u2019", " '")
_LONG_RUN = re.compile(r"(.)\1{3,}")
_SPELLED = re.compile(r"(?<!\w)(?:\w[^\w,]{1,2}){2,}\w(?!\w)")
_APART = "\n,\n"  # no phrase reaches over a comma
# Of emphasis: `:1.2` before a bracket, BREAK with the spaces around it, brackets, backslashes.
_WEIGHT = re.compile(r":[ \t]{0,8}[+-]?[0-9.,]{1,20}(?:[eE][+-]?[0-9]{1,9})?[ \t]{0,8}(?=[)\]}])")
_BREAK = re.compile(r"[ \t]{0,8}(?<![^\s()\[\]{}])BREAK(?![^\s()\[\]{}])[ \t]{0,8}")
_GAP = re.compile(r"(?<=[)\]}])[ \t]{1,8}(?=[(\[{])")  # what stands in two pairs may be one word
_SIGNS = re.compile(r"[()\[\]{}\\]")
_NOT_WORD = re.compile(r"\W+")
# What else stands for a letter. `*` is how people mask vowels.
_ALSO = {
    "a": "4@*",
    "b": "8",
    "e": "3*",
    "g": "9",
    "i": "1!|*",
    "l": "1|",
    "o": "0*",
    "s": "5$",
    "t": "7+",
    "u": "*",
    "z": "2",
}


def without_negatives(prompt: str) -> str:
    """A canonical raw prompt without its comma-separated terms that start with a dash."""
    return ",".join(term for term in prompt.split(",") if not term.lstrip().startswith("-"))


def normalise(text: str) -> str:
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(
        " " if char.isspace() else char
        for char in folded
        if char.isspace() or unicodedata.category(char) not in _DROPPED
    )
    return _LONG_RUN.sub(r"\1\1\1", kept.translate(_LOOKALIKES).translate(_JOINERS))


def without_signs(text: str) -> str:
    """What a prompt with emphasis says: (ch:1.2)(ild:1.1), [ch]ild, c\\(h\\)ild and ch BREAK ild are child.

    No parser: whatever could be a sign goes, so that no other reading of brackets hides a word.
    """
    return _SIGNS.sub("", _BREAK.sub("", _WEIGHT.sub("", text)))


def readings(texts: Iterable[str]) -> str:
    """One normalised text to search: every text, again without the signs of emphasis, and its spelled-out
    words as whole words."""
    read = [
        each
        for text in texts
        for each in dict.fromkeys((text, without_signs(text), without_signs(_GAP.sub("", text))))
    ]
    text = _APART.join(map(normalise, read))
    spelled = (_NOT_WORD.sub("", match) for match in _SPELLED.findall(text))
    return _APART.join([text, *spelled])


def pattern(terms: Iterable[str]) -> re.Pattern[str]:
    """Finds any of the terms as whole words in `readings`; nothing at all where there are no terms.

    A plural or possessive ending is found too. No letter may touch the term; a digit may (`2children`).
    """
    bodies = {term: _body(term) for term in map(normalise, terms)}
    inside = [body for term, body in bodies.items() if _spaceless(term)]
    whole = [body for term, body in bodies.items() if not _spaceless(term)]
    if whole:
        inside.append(rf"(?<![^\W\d])(?:{'|'.join(whole)})(?:'?s|es)?(?![^\W\d])")
    return re.compile("|".join(inside) or r"(?!)")


def _spaceless(term: str) -> bool:
    """Of a script that puts no spaces between words."""
    return any(unicodedata.category(char) == "Lo" for char in term)


def _body(term: str) -> str:
    return r"[^\w,]{0,3}".join(_word(word) for word in _NOT_WORD.split(term) if word)


def _word(word: str) -> str:
    """Each letter once, or drawn out (`normalise` cuts that to three); never open-ended, so never slow."""
    runs = re.finditer(r"(.)\1*", word)
    return "".join(_run(run[1], len(run[0])) for run in runs)


def _run(char: str, count: int) -> str:
    letter = f"[{re.escape(char + _ALSO.get(char, ''))}]"
    return f"{letter}{{{count}}}" if count >= 3 else f"(?:{letter}{{{count}}}|{letter}{{3}})"
