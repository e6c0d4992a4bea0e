"""The held-out half of the cache's pairs is whole: the figures that come of it mean what they say."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from frontend.prompts.prompt import Prompt, parse, read

TABLE = Path(__file__).parents[2] / "perf" / "cache_quality" / "held_out.tsv"
CHARACTERS = ("aya", "bella", "mira", "tomo")
HITS = dict.fromkeys(("paraphrase", "reordered", "trifle", "spelling"), "yes")
MISSES = dict.fromkeys(
    ("count", "colour", "subject", "negation", "relation", "setting", "sign", "figure", "grouping"), "no"
)


class Pair(NamedTuple):
    kind: str
    should_hit: str
    asked: str
    made: str


def pairs() -> list[Pair]:
    header, *lines = TABLE.read_text("utf-8").splitlines()
    assert tuple(header.split("\t")) == Pair._fields
    return [Pair(*line.split("\t")) for line in lines]  # raises unless there are four columns


def _prompts(pair: Pair) -> tuple[Prompt, Prompt]:
    return parse(pair.asked, CHARACTERS), parse(pair.made, CHARACTERS)


def test_every_kind_is_known_and_says_whether_it_hits() -> None:
    assert all({**HITS, **MISSES}.get(pair.kind) == pair.should_hit for pair in pairs())


def test_kinds_of_each_half_and_the_halves_are_about_as_many() -> None:
    kinds = Counter(pair.kind for pair in pairs())
    hits, misses = ([kinds[kind] for kind in half] for half in (HITS, MISSES))
    assert min(hits) >= 36
    assert min(misses) >= 18
    assert max(max(hits) / min(hits), max(misses) / min(misses), sum(hits) / sum(misses)) < 1.2
    assert sum(misses) / sum(hits) < 1.2
    assert sum(kinds.values()) >= 220


def test_no_pair_stands_twice_in_either_direction() -> None:
    seen = Counter(frozenset((pair.asked.casefold(), pair.made.casefold())) for pair in pairs())
    assert [both for both, times in seen.items() if times > 1] == []
    assert [pair for pair in pairs() if pair.asked == pair.made] == []


def test_every_prompt_parses_and_a_pair_has_one_character() -> None:
    for pair in pairs():
        asked, made = _prompts(pair)
        assert asked.character == made.character, pair


def test_reordered_pair_has_the_same_terms_in_another_order() -> None:
    for pair in pairs():
        if pair.kind == "reordered":
            asked, made = _prompts(pair)
            assert (asked.positive, asked.negative) != (made.positive, made.negative), pair
            assert Counter(asked.positive) == Counter(made.positive), pair
            assert Counter(asked.negative) == Counter(made.negative), pair


def test_pair_that_must_miss_differs_in_more_than_order_and_capitals() -> None:
    for pair in pairs():
        if pair.kind in MISSES:
            asked, made = (
                (
                    Counter(map(str.casefold, reading.prompt.positive)),
                    Counter(map(str.casefold, reading.prompt.negative)),
                    reading.notes,
                )
                for reading in (read(pair.asked, CHARACTERS), read(pair.made, CHARACTERS))
            )
            assert asked != made, pair
