"""The text of a prompt that is encoded for the cache: one for all prompts that say the same in the same words."""

from frontend.cache.rules.token import SILENT, Kind, Token
from frontend.cache.rules.tokens import normalised, tokens, unquoted


def embedded_text(positive: str) -> str:
    """Without articles and trifles, each word in its base form, synonyms by one name, terms in one order.

    `positive` is what `Wish.positive` is. Texts in other languages lose capitals and order alone.
    """
    text, quotes = unquoted(normalised(positive))
    terms: list[list[str]] = [[]]
    for one in tokens(text):
        if one.kind is Kind.BREAK:
            terms.append([])
        elif one.kind not in SILENT:
            terms[-1].append(_shown(one))
    said = sorted({" ".join(term) for term in terms if term})
    return ", ".join([*said, *(f'"{quote}"' for quote in quotes)]) or " ".join(text.split())


def _shown(one: Token) -> str:
    if one.kind is Kind.NEGATION:
        return "no" if one.lemma == "negations" else f"no {one.lemma}"
    return one.encoded or one.lemma
