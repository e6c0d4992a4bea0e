"""Qwen's tokenizer is made of its merges as it was published: held by known numbers of its tokens."""

from pathlib import Path

import pytest

from contract.families import Z_IMAGE
from export.checkpoints.qwen_tokenizer import write_qwen_tokenizer
from export.checkpoints.tokenizer import OTHER_PATTERNS
from export.tokenizer_file import read_tokenizer

START, END = 151644, 151645


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qwen") / "tokenizer"
    write_qwen_tokenizer(folder)
    return folder


def test_tokens_have_the_published_numbers(folder: Path) -> None:
    tokenizer = read_tokenizer(folder / "tokenizer.json", OTHER_PATTERNS)
    assert tokenizer.get_vocab_size() == 151_669
    assert tokenizer.encode("Hello world").ids == [9707, 1879]
    assert tokenizer.token_to_id("<|endoftext|>") == 151_643
    (encoder,) = Z_IMAGE.text_encoders
    assert encoder.template
    before, after = (tokenizer.encode(text).ids for text in encoder.template)
    assert before == [START, 872, 198]
    assert after == [END, 198, START, 77091, 198]


def test_every_text_comes_back(folder: Path) -> None:
    tokenizer = read_tokenizer(folder / "tokenizer.json", OTHER_PATTERNS)
    text = "A fox's den, 造相 и 42 лисы\n\n  ()"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text
