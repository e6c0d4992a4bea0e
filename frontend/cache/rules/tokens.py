"""Text to tokens: one pass, set phrases found longest first. Time grows with the text's length alone."""

import re
import unicodedata

from frontend.cache.rules.inflections import Form
from frontend.cache.rules.lists import terms
from frontend.cache.rules.vocabulary import VOCABULARY, token
from frontend.cache.rules.word import NAMES, Token, WordKind

MAX_LENGTH = 4_000
"""Characters that are read; prompts are no longer (frontend/prompts/prompt.py)."""
BREAK_SIGN = "\u2424"
"""For BREAK, which parts windows of the text encoder. In small letters it is a word."""
# One sign, as keyboards, word processors and fonts have it. An em dash stays: it may part two words.
_SPELLING = str.maketrans(
    {"&": " and ", "\u2015": "\u2014"}
    | dict.fromkeys("\u2018\u2019\u201b`\u00b4\u02bc\u2032", "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f«»「」『』", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-")
    | dict.fromkeys("\u2044\u2215", "/")
    | dict.fromkeys("\u2715\u2716\u2a2f", "\u00d7")
    | dict.fromkeys("\u301c\u223c", "~")
    | dict.fromkeys("\ufe0e\ufe0f")  # as text, as a picture
)
# NFKC would make 23 of 2³, "no" of №, and an o of the º that stands for a degree.
_KEPT = {"\u2033": '"', "\u02da": "\u00b0", "\u2116": "#"}
_KEPT_MARKS = {"<super>": "^", "<sub>": "^", "<fraction>": " ", "<circle>": "\u25cb"}
_ONE_SIGN = {"\u00d7": "x", "\u2014": "-"}
_BREAK_WORD = re.compile(r"\bBREAK\b")
_DIGIT = re.compile("\\d")
_DEGREE = re.compile("(?<=\\d)\\s?\u00ba")
_UNIT_SPACE = re.compile("(?<=\\d)\\s+(?=[°%‰]|[€$£¥](?!\\d))|(?<=°)\\s+(?=[cf]\\b)")
_BETWEEN_DIGITS = re.compile("(?<=\\d)(?:\\s+([-:/x\u00d7\u2014])\\s+|([x\u00d7\u2014]))(?=\\d)")
# 10 000, of which a zero would be none.
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?: \d{3})+(?!\d)")
# Marks and signs of scripts belong to their words; a joiner or a dash ends one.
_WORD = (
    r"[^\s!-&(-/:-@\[-`{-~\u00a1-\u00bf\u2000-\u206f"
    r"\u2424\u3000-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f]+"
)
_PIECE = re.compile(rf"{_WORD}|[,.;:!?()\[\]{{}}|/\n\u2013\u2014\u3001\u3002{BREAK_SIGN}]")
_QUOTED = re.compile(r"\"([^\"]*)\"|(?<![^\s,(])'([^']+)'(?!\w)")
_BREAKS = frozenset(",.;:!?()[]{}|/\n\u2013\u2014\u3001\u3002" + BREAK_SIGN)
END = Token(WordKind.BREAK, ",", Form(","))
_NOT_LESS = frozenset(terms("less"))
_TENS = frozenset(range(20, 100, 10))


def normalise(text: str) -> str:
    """One spelling of what is the same: compatibility forms, case, quotation marks, dashes, a few signs."""
    text = text[:MAX_LENGTH]
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _keep_signs(text))
    if "BREAK" in text:
        text = _BREAK_WORD.sub(f" {BREAK_SIGN} ", text)
    text = text.casefold().translate(_SPELLING)
    if _DIGIT.search(text):
        text = _BETWEEN_DIGITS.sub(_tight, _UNIT_SPACE.sub("", text))
        text = _THOUSANDS.sub(lambda found: found[0].replace(" ", ""), text)
    return text[: 2 * MAX_LENGTH]


def _keep_signs(text: str) -> str:
    text = _DEGREE.sub("\u00b0", text)
    for char in {char for char in text if char > "\u007f"}:
        mark = _KEPT_MARKS.get(unicodedata.decomposition(char).partition(" ")[0], "")
        if kept := _KEPT.get(char) or (mark and mark + char):
            text = text.replace(char, kept)
    return text


def _tight(found: re.Match[str]) -> str:
    """1 : 2 as 1:2, 16 × 9 as 16x9, 1990—2000 as 1990-2000."""
    return _ONE_SIGN.get(sign := found[1] or found[2], sign)


def split_quotes(text: str) -> tuple[str, tuple[str, ...]]:
    """The rest of a normalised text, and what stood in quotation marks."""
    if '"' not in text and "'" not in text:
        return text, ()
    quotes = [" ".join((double or single).split()) for double, single in _QUOTED.findall(text)]
    return _QUOTED.sub(" ", text), tuple(sorted(filter(None, quotes)))


def tokens(text: str) -> list[Token]:
    """Of a normalised text."""
    words = [_word(piece) for piece in _PIECE.findall(text)]
    bases = tuple(word.form.base for word in words)
    found: list[Token] = []
    position = 0
    while position < len(words):
        taken, length = _phrase(words, bases, position)
        found.append(taken)
        position += length
    return _nouns(_numbers(found))


def _word(piece: str) -> Token:
    if piece in _BREAKS:
        return END
    word = piece.strip("'")
    word = word.removesuffix("'s") if word != "it's" else word
    if word.isdecimal() and len(word) < 10:
        number = int(word)
        return Token(WordKind.NUMBER, word, Form(word), number) if number else token("no")
    if not word:
        return END
    if word.endswith("less"):
        return _less(word)
    return token(word)


def _less(word: str) -> Token:
    """ "leafless" is without leaves."""
    if word in _NOT_LESS or len(word) < 8:
        return token(word)
    return Token(WordKind.NEGATION, token(word[:-4]).lemma, Form(word))


def _phrase(words: list[Token], bases: tuple[str, ...], position: int) -> tuple[Token, int]:
    first = words[position]
    for phrase, said in VOCABULARY.phrases.get(first.form.base, ()):
        if said.kind is WordKind.RELATION and said.form != first.form:
            continue  # a "dress in red" is not "dressed in red"
        if bases[position : position + len(phrase)] == phrase:
            last = words[position + len(phrase) - 1].form
            return said._replace(form=Form(said.lemma, plural=last.plural)), len(phrase)
    return first, 1


def _numbers(found: list[Token]) -> list[Token]:
    """ "twenty one", "two dozen", "three hundred" are one number."""
    whole: list[Token] = []
    for one in found:
        before = whole[-1].number if whole and whole[-1].kind is WordKind.NUMBER else 0
        if one.kind is WordKind.NUMBER and before > 0 and (number := _together(before, one.number)):
            whole[-1] = whole[-1]._replace(number=number, lemma=str(number))
        else:
            whole.append(one)
    return whole


def _together(before: int, number: int) -> int:
    if before in _TENS and 0 < number < 10:
        return before + number
    return before * number if number in {12, 100, 1000} and before < number else 0


def _as_verb(one: Token) -> Token:
    base = one.lemma.removesuffix("ing")
    if base not in VOCABULARY.inflections.bases:
        return one
    return Token(WordKind.VERB, base, Form(base, verb=True))


def _is_done(found: list[Token], place: int) -> bool:
    if not 0 < place < len(found) - 1:
        return False
    return found[place - 1].kind is WordKind.WORD and found[place + 1].kind is WordKind.ARTICLE


def _nouns(found: list[Token]) -> list[Token]:
    """What words of two kinds are, by what stands beside them.

    A modifier that is a noun as well is one where no other word follows: "an orange", "oranges". A "building"
    is a verb between a word and an article: "children building a house".
    """
    for place, one in enumerate(found):
        if one.kind is WordKind.WORD and one.lemma.endswith("ing") and _is_done(found, place):
            found[place] = _as_verb(one)
        if one.kind is WordKind.MODIFIER and one.noun:
            follows = place + 1 < len(found) and found[place + 1].kind in NAMES
            if one.form.plural or not follows:
                found[place] = one._replace(kind=WordKind.WORD)
    return found
