from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers
from tokens import TextTokenizer, TokenRows, rows_of

from contract.emphasis import Piece

START, END, PAD, WINDOW = 1, 2, 0, 77


@pytest.fixture(scope="module")
def tokenizer(tiny_repository: Path) -> TextTokenizer:
    """One token a character: its code, less 29."""
    path = tiny_repository / "tiny-text-encoder" / "tokenizer" / "tokenizer.json"
    return TextTokenizer(path, pad=PAD, window=WINDOW)


@given(text=st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=400))
def test_windows_hold_the_whole_text_in_order(tokenizer: TextTokenizer, text: str) -> None:
    held = []
    for window in (each.tokens for each in tokenizer.windows((Piece(text),))):
        assert len(window) == WINDOW and window[0] == START
        held += window[1 : window.index(END)]
        assert set(window[window.index(END) + 1 :]) <= {PAD}
    assert held == [ord(letter) - 29 for letter in text]


@pytest.mark.parametrize(("length", "count"), [(0, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_a_new_window_begins_after_75_tokens(tokenizer: TextTokenizer, length: int, count: int) -> None:
    assert len(tokenizer.windows((Piece("a" * length),))) == count


def rows(tokenizer: TextTokenizer, prompt: str, negative: str, most: int = 32) -> TokenRows:
    return rows_of([tokenizer, tokenizer], prompt, negative, most)


def test_both_prompts_get_as_many_windows_as_the_longer_one(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, "a" * 100, "b")
    first, second = made.tokens
    assert first.shape == second.shape == (4, WINDOW) and first.dtype == np.int64
    assert first[2, 1] == ord("b") - 29
    assert first[3].tolist() == [START, END] + [PAD] * 75
    assert (made.count, made.places.tolist(), made.shares.tolist()) == (2, [0, 1, 2, 3], [1, 1, 1, 1])


def test_tokens_bear_the_weights_of_their_text_and_the_frame_none(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, "ab(cd:1.3)e", "(f:0.5)")
    assert made.tokens[0][0, :7].tolist() == [START, *(ord(letter) - 29 for letter in "abcde"), END]
    assert made.weights[0][0, :7].tolist() == pytest.approx([1, 1, 1, 1.3, 1.3, 1, 1])
    assert made.weights[1][1, :3].tolist() == [1, 0.5, 1]
    assert made.weights[0].shape == made.tokens[0].shape and made.weights[0].dtype == np.float32
    assert (made.weights[0][0, 6:] == 1).all()


def test_break_begins_a_window_and_is_not_said(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, "ab BREAK cd", "x")
    assert made.count == 2
    for row, text in zip(made.tokens[0], ("ab ", " cd", "x", ""), strict=True):
        assert row[: len(text) + 2].tolist() == [START, *(ord(letter) - 29 for letter in text), END]


def test_break_parts_nothing_where_there_is_one_window(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, "ab BREAK cd", "x", most=1)
    assert made.places.tolist() == [0, 1]
    assert made.tokens[0][0, :8].tolist() == [START, *(ord(letter) - 29 for letter in "ab  cd"), END]


def test_escaped_brackets_are_said_without_their_backslashes(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, r"a \(b\)", "x")
    assert made.tokens[0][0, 1:6].tolist() == [ord(letter) - 29 for letter in "a (b)"]


def test_neighbours_share_places_where_there_are_too_few(tokenizer: TextTokenizer) -> None:
    made = rows(tokenizer, "a" * 75 * 7, "b", most=3)
    assert len(made.tokens[0]) == 10  # none of the seven is cut off, and the short text is not thinned out
    assert made.places.tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 4, 5]
    assert made.shares.tolist() == pytest.approx([1 / 3] * 3 + [1 / 2] * 4 + [1] * 3)


@settings(deadline=None)
@given(lengths=st.tuples(st.integers(0, 3000), st.integers(0, 3000)), most=st.integers(1, 40))
def test_every_place_has_rows_and_every_row_counts(
    tokenizer: TextTokenizer, lengths: tuple[int, int], most: int
) -> None:
    made = rows(tokenizer, "a" * lengths[0], "b" * lengths[1], most)
    assert made.count <= most and set(made.places) == set(range(2 * made.count))
    assert np.bincount(made.places, made.shares) == pytest.approx(1)
    for letter, length in zip("ab", lengths, strict=True):
        assert (made.tokens[1] == ord(letter) - 29).sum() == length


def test_a_tokenizer_without_start_and_end_is_refused(tmp_path: Path) -> None:
    bare = Tokenizer(models.WordLevel({"<pad>": 0, "a": 1}, unk_token="<pad>"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    bare.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="start and one end token"):
        TextTokenizer(tmp_path / "tokenizer.json", pad=0, window=77)
