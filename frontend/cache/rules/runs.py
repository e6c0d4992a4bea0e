"""Runs of words that stand together, as "two big red sports cars"."""

from frontend.cache.rules.facts import IMPLIED
from frontend.cache.rules.word import Token, WordKind


def groups(run: list[Token]) -> list[list[Token]]:
    """Of modifiers and the words behind them: "boy", "red hat"."""
    found: list[list[Token]] = []
    previous = WordKind.WORD
    for one in run:
        if not found or (one.kind is WordKind.MODIFIER and previous is not WordKind.MODIFIER):
            found.append([])
        found[-1].append(one)
        previous = one.kind
    return found


def drop_implied(run: list[Token]) -> list[Token]:
    """Without what another word of the run says already: the "young" of a "young boy"."""
    implied: set[str] = set()
    for one in run:
        implied |= IMPLIED.get(one.lemma, frozenset())
    return [one for one in run if one.lemma not in implied] or run
