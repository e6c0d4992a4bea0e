"""Rulesets, rulesets/*.yaml: which categories a review applies, and what puts a picture into each.

The file's name without suffix is the ruleset's name. The rule that protects minors is not written in them
and cannot be: it is code (minors.py).
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from acs import minors
from acs.detections import LABELS, Detections
from acs.strict_yaml import DataError, load
from acs.wordlist import Term, Wordlist, wordlist

FOLDER = Path(__file__).with_name("rulesets")
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}\Z"
Id = Annotated[str, Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*\Z", max_length=64)]
Score = Annotated[float, Meta(gt=0, le=1)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Precompliance(_Strict, frozen=True, kw_only=True):
    """From this `risk_score` of upstream screening on, thresholds are multiplied by the factor."""

    risk_score: Annotated[float, Meta(ge=0, le=1)]
    threshold_factor: Score  # at most 1: what a client says can only make the review stricter


class _Rule(_Strict, frozen=True, kw_only=True):
    id: Id
    wordlists: Annotated[tuple[str, ...], Meta(max_length=50)] = ()
    terms: Annotated[tuple[Term, ...], Meta(max_length=500)] = ()
    detects: dict[str, Score] = {}


class _Category(_Strict, frozen=True, kw_only=True):
    id: Id
    name: Annotated[str, Meta(pattern=r"^\S[^\r\n,]*\Z", max_length=80)]  # no comma: clients see a list
    rules: Annotated[tuple[_Rule, ...], Meta(min_length=1, max_length=100)]


class _RulesetFile(_Strict, frozen=True, kw_only=True):
    description: Annotated[str, Meta(min_length=1, max_length=400)]
    categories: Annotated[tuple[_Category, ...], Meta(min_length=1, max_length=100)]
    precompliance: Precompliance | None = None


@dataclass(frozen=True)
class Rule:
    id: str
    words: tuple[Wordlist, ...]
    detects: Mapping[str, float]  # label: least score

    def triggers(self, read: str, seen: Detections, threshold_factor: float) -> bool:
        """`read` is what `text.readings` returned."""
        return any(
            seen.get(label, 0.0) >= least * threshold_factor for label, least in self.detects.items()
        ) or any(words.occurs_in(read) for words in self.words)


@dataclass(frozen=True)
class RulesetCategory:
    id: str
    name: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Ruleset:
    name: str
    description: str
    categories: tuple[RulesetCategory, ...]
    precompliance: Precompliance | None
    version: str  # 16 hex digits: of its file, all word lists, this program's rules and the detector


def load_rulesets(
    folder: Path, wordlists: Mapping[str, Wordlist], detector: str = ""
) -> Mapping[str, Ruleset]:
    """By name; one must be called `default`, which the API asks for. `detector`: what finds what pictures
    show, with its version. Raises DataError."""
    rulesets = {path.stem: _ruleset(path, wordlists, detector) for path in sorted(folder.glob("*.y*ml"))}
    if "default" not in rulesets:
        raise DataError(f"{folder.name}: expected a file default.yaml")
    return rulesets


def _ruleset(path: Path, wordlists: Mapping[str, Wordlist], detector: str) -> Ruleset:
    try:
        msgspec.convert(path.stem, Annotated[str, Meta(pattern=NAME)])
    except msgspec.ValidationError:
        raise DataError(f"{path.name}: expected a name of a to z, 0 to 9, - and _") from None
    file = load(path, _RulesetFile)
    _check(path, file, wordlists)
    categories = tuple(
        RulesetCategory(item.id, item.name, tuple(_rule(rule, wordlists) for rule in item.rules))
        for item in file.categories
    )
    return Ruleset(path.stem, file.description, categories, file.precompliance, _version(path, detector))


def _version(path: Path, detector: str) -> str:
    """Another one whenever another verdict is possible: also where a word list, the code or what runs the
    detector is another, whose scores decide."""
    digest = hashlib.blake2b(detector.encode(), digest_size=8)
    here = Path(__file__).parent
    for source in (path, *sorted(here.glob("*.py")), *sorted((here / "wordlists").glob("*.yaml"))):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _rule(rule: _Rule, wordlists: Mapping[str, Wordlist]) -> Rule:
    named = tuple(wordlists[name] for name in rule.wordlists)
    own = (wordlist(rule.terms),) if rule.terms else ()
    return Rule(rule.id, named + own, rule.detects)


def _check(path: Path, file: _RulesetFile, wordlists: Mapping[str, Wordlist]) -> None:
    mistake = next(_mistakes(file, wordlists), None)
    if mistake is not None:
        raise DataError(f"{path.name}: {mistake}")


def _mistakes(file: _RulesetFile, wordlists: Mapping[str, Wordlist]) -> Iterator[str]:
    """What types alone do not catch: the key, then what was expected there."""
    taken: set[str] = set()
    for at, category in enumerate(file.categories):
        where = f"$.categories[{at}]"
        yield from _id_mistakes(where, category.id, taken)
        for number, rule in enumerate(category.rules):
            yield from _id_mistakes(f"{where}.rules[{number}]", rule.id, taken)
            yield from _rule_mistakes(f"{where}.rules[{number}]", rule, wordlists)


def _id_mistakes(where: str, name: str, taken: set[str]) -> Iterator[str]:
    if minors.RESERVED.fullmatch(name):
        yield f"{where}.id: {name!r} belongs to the built-in rule, which no ruleset can change or turn off"
    if name in taken:
        yield f"{where}.id: {name!r} is given twice, expected one of its own"
    taken.add(name)


def _rule_mistakes(where: str, rule: _Rule, wordlists: Mapping[str, Wordlist]) -> Iterator[str]:
    if not (rule.wordlists or rule.terms or rule.detects):
        yield f"{where}: expected at least one of wordlists, terms, detects"
    for name in set(rule.wordlists) - set(wordlists):
        yield f"{where}.wordlists: {name!r}, expected one of {', '.join(sorted(wordlists))}"
    for label in set(rule.detects) - LABELS:
        yield f"{where}.detects: {label!r}, expected one of {', '.join(sorted(LABELS))}"
    for number, term in enumerate(rule.terms):
        if not any(map(str.isalpha, term)):
            yield f"{where}.terms[{number}]: expected letters"
