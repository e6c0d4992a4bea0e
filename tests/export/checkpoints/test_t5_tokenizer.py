from pathlib import Path

import pytest
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from export.checkpoints.t5_tokenizer import write_t5_tokenizer

PUBLISHED = {
    "translate English to German: The house is wonderful.": (
        13959, 1566, 12, 2968, 10, 37, 629, 19, 1627, 5, 1,
    ),
    "": (1,),
}  # fmt: skip
"""Of T5's documentation."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("t5") / "tokenizer_2"
    write_t5_tokenizer(target)
    return target


@pytest.mark.parametrize("text", PUBLISHED)
def test_tokens_are_those_of_the_published_one(text: str, folder: Path) -> None:
    found = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text).ids
    assert tuple(found) == PUBLISHED[text]


def test_transformers_reads_it_as_t5s(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    assert type(tokenizer).__name__ == "T5TokenizerFast"
    assert tokenizer("a fox", padding="max_length", max_length=6).input_ids == [3, 9, 3, 20400, 1, 0]
