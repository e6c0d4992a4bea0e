"""The grammar of weights; what whole prompts become is in tests/frontend/prompts/test_dialects.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.emphasis import MAX_WEIGHT, Piece, is_weighted, parse, plain, spell

texts = st.text(alphabet="ab 3:;()[]\\\"'.^_-=BREAK|", max_size=12).map(lambda text: " ".join(text.split()))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a red car", [("a red car", 1.0)]),
        ("a ((red)) [car]", [("a ", 1.0), ("red", 1.21), (" ", 1.0), ("car", 0.9091)]),
        ("((a) b:1.2)", [("a", 1.32), (" b", 1.2)]),
        ("(a:1.2)(b:1.2)", [("ab", 1.2)]),
        ("(a [b) c]", [("a [b", 1.1), (" c]", 1.0)]),
        ("(a:nan)(b:1e999)", [("a", 1.0), ("b", 1e6)]),
    ],
)
def test_pieces_and_what_weight_is_asked_for_them(text: str, pieces: list[tuple[str, float]]) -> None:
    assert [(piece.text, piece.asked) for piece in parse(text)[0]] == pieces


def test_weights_are_bounded() -> None:
    assert [piece.weight for piece in parse("(a:9) (b:-9)")[0]] == [MAX_WEIGHT, 1.0, 0.0]


def test_windows_begin_at_break_as_a_word_of_its_own() -> None:
    assert len(parse("a BREAK b, BREAK, (c BREAK d:1.2)")) == 4
    assert len(parse('a "BREAK" TEABREAK TEA-BREAK break')) == 1


@given(st.text(max_size=60))
def test_text_without_signs_is_one_piece_to_the_letter(text: str) -> None:
    said = text.translate(str.maketrans("", "", "()[]\\"))
    if "BREAK" not in said:
        assert parse(said) == (((Piece(said),),) if said else ((),))


@given(texts.filter(bool))
def test_any_text_can_be_spelled_and_stays_text_in_any_company(text: str) -> None:
    """Also within a group: no bracket of it ends that one or finds a partner in it."""
    spelled = spell((Piece(text),))
    assert not is_weighted(spelled) and plain(spelled).casefold() == text.casefold()
    for group in (f"(, {spelled}, :1.5)", f"((, {spelled}, :1.5):1)"):
        ((piece,),) = parse(group)
        assert (piece.text.casefold(), piece.asked) == (f", {text}, ".casefold(), 1.5)
