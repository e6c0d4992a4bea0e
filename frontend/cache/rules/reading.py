"""What a prompt asks for, taken apart once, so that two can be compared quickly."""

import hashlib
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import msgspec
from cachetools import LRUCache, cached

from frontend.cache.rules.facts import FLAWS, with_kinds
from frontend.cache.rules.relation import Relation
from frontend.cache.rules.scan import Scan
from frontend.cache.rules.signs import marked_words, sign_terms, soften, without_commas
from frontend.cache.rules.tokens import END, normalise, split_quotes, tokens
from frontend.cache.rules.word import NAMES, Token, WordKind
from frontend.domain.prompt_intent import PromptIntent

MAX_REMEMBERED_BYTES = 16 << 20
"""Of readings that are kept: 8 KiB each, but 1 MiB for the longest prompts, which are the users' to write."""
ENTRY_BYTES = 1_024  # that keeping one takes besides


@dataclass(frozen=True)
class PromptReading:
    words: frozenset[str]
    """Lemmas of all that is named and not negated; numbers as "#2"."""
    named: frozenset[str]
    """The same, with all that they are kinds of."""
    counts: Mapping[str, frozenset[int]]  # by noun
    bonds: Mapping[str, frozenset[frozenset[str]]]  # by modifier: the words that it belongs to, each time
    relations: Mapping[str, tuple[Relation, ...]]  # by head
    sides: Mapping[str, frozenset[str]]  # what stands on the left, on the right of the picture
    orders: Mapping[frozenset[str], tuple[str, ...]]  # of two words or more in a row
    absent: frozenset[frozenset[str]]  # by "no", "without"; one word each
    excluded: frozenset[frozenset[str]]  # by negative terms, with their numbers and signs
    shunned: frozenset[frozenset[str]]  # what these name
    quotes: tuple[str, ...]
    groups: frozenset[frozenset[str]]  # what each term names
    figures: tuple[tuple[int, ...], ...]  # of each term that has any: numbers that count nothing
    signs: bytes  # digest of the terms that hold a sign; empty where none does
    wording: bytes  # where signs are: digest of all, commas left out
    marked: frozenset[str]  # words with a hyphen or an owner's apostrophe that matters

    @cached_property
    def unwanted(self) -> frozenset[frozenset[str]]:
        return self.excluded | self.absent

    @cached_property
    def all_relations(self) -> tuple[Relation, ...]:
        return tuple(relation for group in self.relations.values() for relation in group)


def size_of(reading: PromptReading) -> int:
    """Bytes of all that is reachable from it, what it shares with others included."""
    seen: dict[int, object] = {}
    left: list[object] = [reading.unwanted, reading.all_relations, vars(reading)]
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, dict):
            left += [*one, *one.values()]
        elif isinstance(one, frozenset | tuple):
            left += one
    return sum(map(sys.getsizeof, seen.values())) + ENTRY_BYTES


def _digest(said: object) -> bytes:
    """What is remembered holds no text of its own beside it."""
    return hashlib.blake2b(msgspec.msgpack.encode(said), digest_size=16).digest()


@cached(LRUCache(MAX_REMEMBERED_BYTES, size_of), key=_digest, lock=Lock())
def read(intent: PromptIntent) -> PromptReading:
    whole = normalise(intent.positive)
    text, quotes = split_quotes(whole)
    said = [one for one in tokens(soften(text)) if one.kind is not WordKind.TRIFLE]
    scan = Scan()
    for place, one in enumerate(said):
        scan.take(one, said[place + 1].kind if place + 1 < len(said) else WordKind.BREAK)
    scan.end()
    words = frozenset(scan.words)
    written = soften(whole)
    signs = sign_terms(written)
    excluded = [_excluded(normalise(term)) for term in intent.negatives]
    return PromptReading(
        words=words,
        named=with_kinds(words),
        counts={noun: frozenset(numbers) for noun, numbers in scan.counts.items()},
        bonds={modifier: frozenset(groups) for modifier, groups in scan.bonds.items()},
        relations=_by_head(scan.relations),
        sides={side: frozenset(things) for side, things in scan.sides.items()},
        orders=_orders(said),
        absent=frozenset(frozenset({word}) for word in scan.absent),
        excluded=frozenset(exact for _, exact in excluded) - {frozenset()},
        shunned=frozenset(named for named, _ in excluded) - {frozenset()},
        quotes=quotes,
        groups=frozenset(scan.groups),
        figures=tuple(sorted(scan.figures)),
        signs=_digest(signs) if signs else b"",
        wording=_digest(without_commas(written)) if signs else b"",
        marked=frozenset(marked_words(written)),
    )


def _excluded(term: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a normalised negative term names; and with numbers and signs, but for a fault's: how much one
    dislikes these makes no difference."""
    said = tokens(term)
    named = frozenset(one.lemma for one in said if one.kind in NAMES)
    if named in FLAWS:
        return named, named
    written = soften(term)
    numbers = (f"#{one.number}" for one in said if one.kind is WordKind.NUMBER)
    return named, named.union(numbers, sign_terms(written), marked_words(written))


def _by_head(relations: Iterable[Relation]) -> dict[str, tuple[Relation, ...]]:
    heads: dict[str, dict[Relation, None]] = defaultdict(dict)
    for relation in relations:
        heads[relation.head][relation] = None
    return {head: tuple(group) for head, group in heads.items()}


def _orders(said: Iterable[Token]) -> dict[frozenset[str], tuple[str, ...]]:
    """Two words or more that no known word parts, articles aside."""
    orders = {}
    order: list[str] = []
    for one in [*said, END]:
        if one.kind is WordKind.WORD:
            order.append(one.lemma)
        elif one.kind is not WordKind.ARTICLE:
            if len(order) > 1:
                orders[frozenset(order)] = tuple(order)
            order = []
    return orders
