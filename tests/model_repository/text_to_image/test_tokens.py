from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from order import BadOrder
from tokenizers import Tokenizer, models, pre_tokenizers
from tokens import MAX_WINDOWS, TextTokenizer, encode_pair

START, END, PAD, WINDOW = 1, 2, 0, 77


@pytest.fixture(scope="module")
def tokenizer(tiny_repository: Path) -> TextTokenizer:
    """One token a character: its code, less 29."""
    path = tiny_repository / "tiny-text-encoder" / "tokenizer" / "tokenizer.json"
    return TextTokenizer(path, pad=PAD, window=WINDOW)


@given(text=st.text(alphabet=[chr(code) for code in range(32, 127)], max_size=400))
def test_windows_hold_the_whole_text_in_order(tokenizer: TextTokenizer, text: str) -> None:
    windows = tokenizer.windows(text)
    held = []
    for window in windows:
        assert len(window) == WINDOW and window[0] == START
        held += window[1 : window.index(END)]
        assert set(window[window.index(END) + 1 :]) <= {PAD}
    assert held == [ord(letter) - 29 for letter in text]


@pytest.mark.parametrize(("length", "count"), [(0, 1), (75, 1), (76, 2), (150, 2), (151, 3)])
def test_a_new_window_begins_after_75_tokens(tokenizer: TextTokenizer, length: int, count: int) -> None:
    assert len(tokenizer.windows("a" * length)) == count


def test_a_text_beyond_the_bound_is_refused_not_cut(tokenizer: TextTokenizer) -> None:
    assert len(tokenizer.windows("a" * 75 * MAX_WINDOWS)) == MAX_WINDOWS
    with pytest.raises(BadOrder, match="2401 tokens, at most 2400"):
        tokenizer.windows("a" * (75 * MAX_WINDOWS + 1))


def test_both_prompts_get_as_many_windows_as_the_longer_one(tokenizer: TextTokenizer) -> None:
    first, second = encode_pair([tokenizer, tokenizer], "a" * 100, "b")
    assert first.shape == second.shape == (4, WINDOW)
    assert first[2, 1] == ord("b") - 29
    assert first[3].tolist() == [START, END] + [PAD] * 75


def test_a_tokenizer_without_start_and_end_is_refused(tmp_path: Path) -> None:
    bare = Tokenizer(models.WordLevel({"<pad>": 0, "a": 1}, unk_token="<pad>"))
    bare.pre_tokenizer = pre_tokenizers.Whitespace()
    bare.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ValueError, match="start and one end token"):
        TextTokenizer(tmp_path / "tokenizer.json", pad=0, window=77)
