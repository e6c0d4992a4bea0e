import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.framing import EXAMPLES, HEAD, MAX_IDEA_CHARACTERS, extract_details, extract_idea, frame_idea


def test_frame_goes_on_where_the_examples_stop() -> None:
    idea, details = EXAMPLES[0]
    assert f"{frame_idea(idea)} {details}\n\n" in HEAD
    assert HEAD.endswith("\n\n")


@given(st.text() | st.text(alphabet="a, \n"))
def test_idea_is_one_bounded_line(message: str) -> None:
    idea = extract_idea(message)
    assert len(idea) <= MAX_IDEA_CHARACTERS
    assert len(idea.splitlines()) <= 1


def test_long_idea_is_cut_between_terms() -> None:
    idea = extract_idea("old lighthouse, " * 100)
    assert idea.endswith("old lighthouse")
    assert MAX_IDEA_CHARACTERS - 20 < len(idea) <= MAX_IDEA_CHARACTERS
    assert len(extract_idea("x" * 4_000)) == MAX_IDEA_CHARACTERS


@pytest.mark.parametrize(
    ("written", "details", "ended"),
    [
        (" stormy sea, dark", "stormy sea, dark", False),
        (" stormy sea, dark clouds\n\nIdea: a cat", "stormy sea, dark clouds", True),
        (" stormy sea<start_of_image>Idea: a cat", "stormy sea", True),
        (" stormy sea Idea: a cat", "stormy sea", True),
        (" stormy \ufffd", "stormy", False),
        ("\n", "", True),
    ],
)
def test_details_end_where_the_model_starts_something_else(written: str, details: str, ended: bool) -> None:
    assert extract_details(written) == (details, ended)
