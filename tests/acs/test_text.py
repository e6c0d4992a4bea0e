import pytest
from hypothesis import given
from hypothesis import strategies as st

from acs.text import pattern, readings, without_negatives, without_signs

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


SPLIT = [
    "(lan:1.2)(tern:1.1)",
    "((lan))tern",
    "lan[tern]",
    "[lan][tern]",
    r"lan\(t\)ern",
    "lan(t)ern",
    "l(a:1.1)n{t}e[r]n",
    "lan BREAK tern",
    "(lan BREAK tern:1.2)",
    "(lan:1.2) BREAK (tern:0.8)",
    "lan\u200btern",
    "(lan:1.2)\u200d(tern:1.1)",
    "(lan:1.2)\u00ad(t\u0301ern)",
    "(l4n:1.2)(t3rn:1.1)",
    "(la:1,3)(nt:.5)(ern: 1e0 )",
    "(moon:1.2) (boat:1.1)",
    "moon BREAK boat",
    "(mo:1.2)on bo[at]",
]


@pytest.mark.parametrize("text", SPLIT)
def test_word_that_emphasis_splits_is_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a lake", "a lake"),
        ("(a:1.3) [b]", "a b"),
        ("10:30, 2:1, a:b", "10:30, 2:1, a:b"),
        ("(8:1.2) x", "8 x"),
    ],
)
def test_signs_of_emphasis_are_left_out(text: str, says: str) -> None:
    assert without_signs(text) == says


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
