import pytest
from hypothesis import given
from hypothesis import strategies as st

from acs.text import pattern, readings, without_negatives

WORDS = pattern(["lantern", "moon boat", "kite"])


def found(text: str) -> bool:
    return WORDS.search(readings([text])) is not None


@pytest.mark.parametrize(
    "text",
    [
        "a LANTERN",
        "lanterns",
        "the lantern's light",
        "(lantern:1.3)",
        "red_lantern",
        "läntérn",
        "ｌａｎｔｅｒｎ",
        "𝐥𝐚𝐧𝐭𝐞𝐫𝐧",
        "lаntеrn",  # Cyrillic a and e
        "lan\u200btern",
        "lan\u00adtern",
        "l4nt3rn",
        "1an7ern",
        "l*nt*rn",
        "laaaaanternnnn",
        "l a n t e r n",
        "by l.a.n.t.e.r.n light",
        "l-a-n-t-e-r-n",
        "2lanterns",
        "moon boat",
        "moon-boat",
        "moonboat",
        "moon\n boats",
    ],
)
def test_disguised_term_is_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text", ["lanternfish", "jacklantern", "kited", "moon, boat", "boat moon", "moon by a boat", "", "ki te"]
)
def test_other_words_are_not_found(text: str) -> None:
    assert not found(text)


def test_phrase_does_not_reach_from_one_text_into_the_next() -> None:
    assert not WORDS.search(readings(["a full moon", "boat at sea"]))


def test_no_terms_find_nothing() -> None:
    assert not pattern([]).search(readings(["", "anything"]))


def test_words_of_scripts_without_spaces_are_found_inside_text() -> None:
    assert pattern(["提灯"]).search(readings(["赤い提灯の夜"]))


def test_negative_terms_are_left_out() -> None:
    assert without_negatives("@aya a tree, -rain, - fog,-snow, x-ray").split(",") == ["@aya a tree", " x-ray"]


def test_only_an_ascii_dash_makes_a_term_negative() -> None:
    assert "kite" in without_negatives("a tree, \u2013kite")


@given(st.text(max_size=300))
def test_any_text_can_be_read(text: str) -> None:
    found(text)


@given(st.text(alphabet="lantern 1*_.,", max_size=2_000))
def test_hostile_repetitions_are_read(text: str) -> None:
    found(text)
