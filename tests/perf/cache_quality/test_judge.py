from collections.abc import Sequence

import numpy as np
import pytest

from perf.cache_quality.__main__ import figures
from perf.cache_quality.encoder import Vectors
from perf.cache_quality.judge import ARMS, Judged, judge, shares
from perf.cache_quality.pairs import Pair

TYPED, NORMAL, RULES = ARMS
PAIRS = (
    Pair("trifle", True, "a red car, high quality", "a red car"),
    Pair("paraphrase", True, "a lake", "water between hills"),
    Pair("colour", False, "a red car", "a blue car"),
    Pair("subject", False, "@aya by a lake", "@bella by a lake"),
)


def encode(texts: Sequence[str]) -> Vectors:
    """Texts with a car are one point, others each another; what is longer stands a little apart."""
    vectors = np.zeros((len(texts), 64), np.float32)
    for row, text in enumerate(texts):
        vectors[row, 0 if "car" in text else 1 + len(text)] = 1
        vectors[row, 63] = "quality" in text
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


@pytest.fixture
def judged() -> list[Judged]:
    return judge(PAIRS, encode)


@pytest.mark.parametrize(
    ("arm", "served"),
    [
        (TYPED, [False, False, True, False]),
        (NORMAL, [True, False, True, False]),
        (RULES, [True, False, False, False]),
    ],
)
def test_each_arm_serves_what_it_lets_through(judged: list[Judged], arm: str, served: list[bool]) -> None:
    assert [each.record_served(arm) for each in judged] == served


def test_lower_floor_does_not_lift_the_rules(judged: list[Judged]) -> None:
    assert not judged[2].record_served(RULES, floor=-1.0)
    assert not judged[3].record_served(RULES, floor=-1.0)


def test_hits_and_false_hits_are_shares_of_their_own_pairs(judged: list[Judged]) -> None:
    hits, false_hits = shares(judged, NORMAL)
    assert (hits.found, hits.of, false_hits.found, false_hits.of) == (1, 2, 1, 2)


def test_figures_of_a_half_that_is_missing_are_null(judged: list[Judged]) -> None:
    found = figures({"development": judged})
    assert (found["development_hits"], found["development_false_hits"]) == (0.5, 0.0)
    assert found["held_out_hits"] is None and found["held_out_false_hits"] is None


@pytest.mark.parametrize(("kind", "should_hit"), [("colour", True), ("trifle", False), ("weather", False)])
def test_pair_of_a_kind_that_contradicts_it_is_refused(kind: str, should_hit: bool) -> None:
    with pytest.raises(ValueError, match=kind):
        Pair(kind, should_hit, "a cat", "a dog")
