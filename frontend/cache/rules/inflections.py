"""English inflections: what a word is a form of, by two lists and a few rules."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_VOWELS = re.compile("[aeiouy]+")
_SHORT_ENDING = re.compile("[^aeiou][aeiou][^aeiouwxy]$")


class Form(NamedTuple):
    base: str
    plural: bool = False
    verb: bool = False  # a form of a verb that is no noun: "reading", "reads"
    maybe_verb: bool = False  # a plural or a form with -s: "plants"
    participle: bool = False  # "chased": what "by" makes a passive of


@dataclass(frozen=True)
class Inflections:
    known: Mapping[str, Form]
    bases: frozenset[str]
    """Of verbs."""
    nouns: frozenset[str]
    """Those bases that are nouns as well: "watch"."""

    @property
    def verbs(self) -> frozenset[str]:
        return self.bases - self.nouns

    def form(self, word: str) -> Form:
        return self.known.get(word) or _by_ending(word)


def inflections(verbs: Iterable[str], irregular: Iterable[str]) -> Inflections:
    """Of lines `base [past participle]`, a noun as well where the base has a `*`, and `singular [plural]`."""
    known: dict[str, Form] = {}
    bases, nouns = set(), set()
    for base, *others in (line.split() for line in verbs):
        noun, base = base.endswith("*"), base.rstrip("*")
        known.update(_forms_of_verb(base, others, noun))
        bases.add(base)
        if noun:
            nouns.add(base)
    for singular, *plurals in (line.split() for line in irregular):
        known[singular] = Form(singular)
        known.update({plural: Form(singular, plural=True) for plural in plurals})
    return Inflections(known, frozenset(bases), frozenset(nouns))


def _forms_of_verb(base: str, others: Iterable[str], noun: bool) -> dict[str, Form]:
    stem = base.removesuffix("e") if not base.endswith(("ee", "oe", "ye")) else base
    if len(_VOWELS.findall(base)) == 1 and _SHORT_ENDING.search(base):
        stem = base + base[-1]
    if base.endswith("ie"):
        stem = base[:-2] + "y"  # lying, tying
    past = base[:-1] + "ied" if base.endswith("y") and base[-2] not in "aeiou" else stem.rstrip("e") + "ed"
    with_s = Form(base, plural=noun, verb=not noun, maybe_verb=noun)
    forms = {base: Form(base), _with_s(base): with_s, stem + "ing": Form(base, verb=True)}
    for participle in [past, *others]:
        forms.setdefault(participle, Form(base, verb=True, participle=True))
    return forms


def _with_s(base: str) -> str:
    if base.endswith("y") and base[-2] not in "aeiou":
        return base[:-1] + "ies"
    return base + ("es" if base.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def _by_ending(word: str) -> Form:
    """Of a word in no list; only unaccented Latin letters are taken for English."""
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return Form(word)
    if word.endswith("ing") and len(word) > 5 and _VOWELS.search(word[:-3]):
        return Form(_single(word[:-3]), verb=True)
    if word.endswith("ed") and len(word) > 4 and _VOWELS.search(word[:-2]):
        return Form(_single(word[:-2]), verb=True, participle=True)
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return Form(_singular(word), plural=True)
    return Form(word)


def _single(stem: str) -> str:
    return stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeioslz" else stem


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]
