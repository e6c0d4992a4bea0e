from pathlib import Path

import pytest

from acs import text
from acs.strict_yaml import DataError
from acs.wordlist import load_all, wordlist

WORDS = wordlist(("baby", "loli"), ("baby blue",))


def found(prompt: str) -> bool:
    return WORDS.occurs_in(text.readings([prompt]))


def test_exception_takes_only_its_own_phrase_out() -> None:
    assert not found("a baby blue dress")
    assert found("a baby in a baby blue dress")


def test_number_that_could_be_read_as_letters_is_no_word() -> None:
    assert not found("room 1011")
    assert found("l0li")


def test_every_list_that_comes_along_loads() -> None:
    lists = load_all()
    assert {"minors", "sexual", "suggestive", "violence"} <= set(lists)
    assert lists["violence"].occurs_in(text.readings(["a scene of gore"]))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("terms: [a1]", "missing required field `purpose`"),
        ("purpose: x\nterms: []", "$.terms"),
        ("purpose: x\nterms: [1]", "Expected `str`, got `int` - at `$.terms[0]`"),
        ("purpose: x\nterms: [ok]\nterm: [no]", "unknown field `term`"),
    ],
)
def test_mistake_names_file_and_key(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "birds.yaml").write_text(content)
    with pytest.raises(DataError, match=r"birds\.yaml: ") as raised:
        load_all(tmp_path)
    assert words in str(raised.value)
