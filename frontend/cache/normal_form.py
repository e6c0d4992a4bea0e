"""The text of a prompt that is encoded for the cache: the same for all who say the same in the same words."""

from frontend.cache.rules.runs import drop_implied
from frontend.cache.rules.signs import soften
from frontend.cache.rules.tokens import normalise, split_quotes, tokens
from frontend.cache.rules.word import SILENT, Token, WordKind

MAX_ROUNDS = 4
_PARTING = frozenset({WordKind.BREAK, WordKind.AND, WordKind.OR, WordKind.RELATION})
_UNSAID = SILENT | {WordKind.BREAK, WordKind.AND, WordKind.OR}


def embedded_text(positive: str) -> str:
    """Without articles and trifles, each word in its base form, synonyms by one name, terms in one order.

    `positive` is what `Wish.positive` is. Texts in other languages lose capitals and order alone. What it
    returns is returned again for itself: dropping words may bring others together that are one phrase.
    """
    text = positive
    for _ in range(MAX_ROUNDS):
        if (again := _once(text)) == text:
            break
        text = again
    return text


def _once(positive: str) -> str:
    text, quotes = split_quotes(normalise(positive))
    text = soften(text)
    parts: list[list[Token]] = [[]]
    for one in tokens(text):
        if one.kind in _PARTING:
            parts.append([])
        if one.encoded and one.kind not in _UNSAID:
            parts[-1].append(one)
    said = sorted({" ".join(map(_spell, drop_implied(part))) for part in parts if part})
    return ", ".join([*said, *(f'"{quote}"' for quote in quotes)]) or " ".join(
        (text if text.strip() else positive).split()
    )


def _spell(one: Token) -> str:
    if one.kind is WordKind.NEGATION:
        return "no" if one.lemma == "negations" else f"no {one.lemma}"
    return one.lemma
