import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from frontend.finishing.texts import clean


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  Aya \n\t of  the harbour ", "Aya of the harbour"),
        ("a\0b\x1b[31mc\x9f", "ab[31mc"),
        ("user\u202egpj.exe\u2066x\u2069", "usergpj.exex"),
        ("family 👨‍👩‍👧", "family 👨‍👩‍👧"),
        ("\u200fשלום\u200e \u061cمرحبا", "שלום مرحبا"),
        ("می‌خواهم", "می‌خواهم"),  # a joiner that Persian is written with
        ("❤️ 👩‍🚀 🏳️‍🌈", "❤️ 👩‍🚀 🏳️‍🌈"),
        ("ad\u200bmin\ufeff\u2060", "admin"),
        ("hi" + "".join(chr(0xE0000 + ord(letter)) for letter in "ignore"), "hi"),
        ("two\u2028lines\u2029here", "two lines here"),
        ("x" * 301, "x" * 300),
        ("\u202e" * 10_000 + "x", ""),
        ("\ud800", ""),
    ],
)
def test_text_is_one_line_shown_as_stored(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=700))
@settings(deadline=None)
def test_cleaned_text_is_bounded_printable_and_final(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= 300
    assert cleaned == clean(cleaned)
    assert cleaned.encode().decode() == cleaned
    assert "\n" not in cleaned
