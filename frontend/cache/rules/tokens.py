"""Text to tokens: one pass, set phrases found longest first. Time grows with the text's length alone."""

import re
import unicodedata

from frontend.cache.rules.inflections import Form
from frontend.cache.rules.lists import terms
from frontend.cache.rules.vocabulary import VOCABULARY, token
from frontend.cache.rules.word import NAMES, Token, WordKind

MAX_LENGTH = 4_000
"""Characters that are read; prompts are no longer (frontend/prompts/prompt.py)."""
_SPELLING = str.maketrans({"’": "'", "‘": "'", "`": "'", "&": " and "} | dict.fromkeys("“”„‟«»「」『』", '"'))
# Marks and signs of scripts belong to their words; a joiner or a dash ends one.
_WORD = r"[^\s!-&(-/:-@\[-`{-~\u00a1-\u00bf\u2000-\u206f\u3000-\u303f]+"
_PIECE = re.compile(rf"{_WORD}|[,.;:!?()\[\]{{}}|/\n\u2013\u2014\u3001\u3002]")
_QUOTED = re.compile(r"\"([^\"]*)\"|(?<![^\s,(])'([^']+)'(?!\w)")
_BREAKS = frozenset(",.;:!?()[]{}|/\n\u2013\u2014\u3001\u3002")
END = Token(WordKind.BREAK, ",", Form(","))
_NOT_LESS = frozenset(terms("less"))
_TENS = frozenset(range(20, 100, 10))


def normalise(text: str) -> str:
    """One spelling of what looks the same: compatibility forms, case, apostrophes, quotation marks."""
    return unicodedata.normalize("NFKC", text[:MAX_LENGTH]).casefold().translate(_SPELLING)[: 2 * MAX_LENGTH]


def split_quotes(text: str) -> tuple[str, tuple[str, ...]]:
    """The rest of a normalise text, and what stood in quotation marks."""
    quotes = [" ".join((double or single).split()) for double, single in _QUOTED.findall(text)]
    return _QUOTED.sub(" ", text), tuple(sorted(filter(None, quotes)))


def tokens(text: str) -> list[Token]:
    """Of a normalise text."""
    words = [_word(piece) for piece in _PIECE.findall(text)]
    found: list[Token] = []
    position = 0
    while position < len(words):
        taken, length = _phrase(words, position)
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


def _phrase(words: list[Token], position: int) -> tuple[Token, int]:
    first = words[position]
    for bases, said in VOCABULARY.phrases.get(first.form.base, ()):
        if said.kind is WordKind.RELATION and said.form != first.form:
            continue  # a "dress in red" is not "dressed in red"
        if _stands(words, position, bases):
            last = words[position + len(bases) - 1].form
            return said._replace(form=Form(said.lemma, plural=last.plural)), len(bases)
    return first, 1


def _stands(words: list[Token], position: int, bases: tuple[str, ...]) -> bool:
    if position + len(bases) > len(words):
        return False
    return all(words[position + place].form.base == base for place, base in enumerate(bases))


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
