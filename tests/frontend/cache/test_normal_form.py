import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from frontend.cache.normal_form import embedded_text
from tests.frontend.cache.rules.test_rules import SAID

TERMS = ["a red car", "two dogs", "a cat on a mat", "sunset", "no people", "high quality", 'a sign "open"']


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Masterpiece, the girl reads a BOOK under a tree, 8k", "girl read book, under tree"),
        ("kids flying kites in the meadow", "child fly kite, field"),
        ("a man without a hat", "man no hat"),
        ("ein Hund, zwei Katzen", "ein hund, zwei katzen"),
        ("best quality", "best quality"),
        ("", ""),
    ],
)
def test_normal_form(text: str, normal: str) -> None:
    assert embedded_text(text) == normal


@given(st.permutations(TERMS))
def test_order_of_terms_makes_no_difference(terms: list[str]) -> None:
    assert embedded_text(", ".join(terms)) == embedded_text(", ".join(TERMS))


@given(SAID)
def test_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    once = embedded_text(text)
    assert embedded_text(once) == once


@example("「「")
@given(st.text(max_size=60))
def test_any_text_has_a_normal_form(text: str) -> None:
    assert bool(embedded_text(text)) == bool(text.split())
