"""The rules by their own examples, and what holds for all texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.cache.rules.lists import terms
from frontend.cache.rules.table import RULES, CacheRule, Pair, conflict
from frontend.cache.rules.vocabulary import VOCABULARY
from frontend.domain.prompt_intent import PromptIntent

WORDS = sorted(
    {
        *VOCABULARY.single,
        *VOCABULARY.synonyms,
        *VOCABULARY.modifiers,
        *VOCABULARY.inflections.known,
        *terms("trifles"),
    }
)
SAID = st.lists(st.sampled_from([*WORDS, ",", ",", '"', "2", "the", "a"]), max_size=12).map(" ".join)
TEXTS = st.one_of(st.text(max_size=80), SAID)
WISHES = st.builds(PromptIntent, TEXTS, st.lists(TEXTS, max_size=2).map(tuple))
ONE_WAY = next(rule for rule in RULES if not rule.both_ways)


def intent(raw: str) -> PromptIntent:
    """Of the examples' notation, in which only the last terms have dashes."""
    positive, *negatives = raw.split(", -")
    return PromptIntent(positive, tuple(negatives))


def pairs(kind: str) -> list[tuple[CacheRule, Pair]]:
    return [(rule, pair) for rule in RULES for pair in getattr(rule, kind)]


@pytest.mark.parametrize(("rule", "pair"), pairs("differing"))
def test_prompts_that_differ_are_told_apart_by_the_rule(rule: CacheRule, pair: Pair) -> None:
    asked, made = map(intent, pair)
    assert conflict(asked, made) == rule.name
    assert not rule.both_ways or conflict(made, asked)


@pytest.mark.parametrize(("rule", "pair"), pairs("alike"))
def test_prompts_that_say_the_same_are_served(rule: CacheRule, pair: Pair) -> None:
    asked, made = map(intent, pair)
    assert conflict(asked, made) is None
    assert not rule.both_ways or conflict(made, asked) is None


def test_rules_have_names_of_their_own_and_examples_of_both_kinds() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.differing and rule.alike for rule in RULES)


@given(WISHES)
def test_nothing_conflicts_with_itself(one: PromptIntent) -> None:
    assert conflict(one, one) is None


@given(WISHES)
def test_white_space_and_case_say_nothing(one: PromptIntent) -> None:
    assert conflict(one, PromptIntent(f"  {one.positive} ", one.negatives)) is None
    assert (
        conflict(PromptIntent("A red Car", one.negatives), PromptIntent("a red car", one.negatives)) is None
    )


@given(WISHES, WISHES)
def test_all_rules_but_one_go_both_ways(one: PromptIntent, other: PromptIntent) -> None:
    there, back = conflict(one, other), conflict(other, one)
    assert there == back or ONE_WAY.name in {there, back}


@given(
    st.lists(st.sampled_from(["a red car", "two dogs", "a cat on a mat", "sunset", "no people"]), unique=True)
)
def test_order_of_terms_says_nothing(said: list[str]) -> None:
    assert conflict(PromptIntent(", ".join(said)), PromptIntent(", ".join(reversed(said)))) is None


def test_too_tangled_a_prompt_is_a_miss() -> None:
    tangled = " and ".join(f"thing{number} on stuff{number}" for number in range(100))
    assert conflict(PromptIntent(tangled), PromptIntent(f"the {tangled}")) is None
    assert conflict(PromptIntent(tangled), PromptIntent(f"{tangled} and thing1 on stuff2")) is not None
