import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.prompts.llm_answer import MAX_TERM, MAX_TERMS, terms
from frontend.prompts.prompt import Prompt


@pytest.mark.parametrize(
    "answer",
    [
        "old lighthouse, stormy sea",
        "  old lighthouse ,stormy sea.\n",
        '"old lighthouse, stormy sea"',
        "Prompt: old lighthouse, stormy sea",
        "**Prompt:** old lighthouse, stormy sea",
        "Here is the enhanced prompt: old lighthouse, stormy sea",
        "Sure! Here's a richer prompt:\n\nold lighthouse, stormy sea\n\nThis adds the sea.",
        "```\nold lighthouse, stormy sea\n```",
        "* old lighthouse, stormy sea",
        "1. `old lighthouse`, *stormy sea*",
        "<think>The user wants a lighthouse, red</think>\nold lighthouse, stormy sea",
        "old lighthouse, -rain, @bella, stormy sea",
        "old lighthouse, , --, stormy sea, https://example.com/a, <b>x</b>, {x}",
        "old lighthouse, stormy sea\nold house, another picture",
        "old light\x00house, stormy\u200b sea",
        "old lighthouse, stormy sea, " + "x" * (MAX_TERM + 1),
    ],
)
def test_only_the_terms_of_an_answer_pass(answer: str) -> None:
    assert terms(answer) == ("old lighthouse", "stormy sea")


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n \n",
        "!!!???",
        "-rain, -fog",
        "@aya @bella",
        "I'm sorry, I can't help with that.",
        "I’m sorry, but as an AI I cannot",
        "<think>a cat, a window",
        "\ud83d\ud83d",
        "<html><body>502</body></html>",
    ],
)
def test_refusals_and_nonsense_have_no_terms(answer: str) -> None:
    assert terms(answer) == ()


def test_other_scripts_pass() -> None:
    assert terms("小さな猫, маяк в шторм, منارة قديمة") == ("小さな猫", "маяк в шторм", "منارة قديمة")


@given(st.text() | st.text(alphabet="@-,:*. \n<>\"'aprompt猫\ud83d\x00"))
def test_whatever_the_model_writes_its_terms_are_terms_of_a_prompt(answer: str) -> None:
    found = terms(answer)
    assert len(found) <= MAX_TERMS
    if found:
        assert Prompt("aya", found, ("rain",)).positive == found


def test_long_answers_are_bounded() -> None:
    assert len(terms(", ".join(f"term number {'x' * n}" for n in range(1_000)))) == MAX_TERMS
    assert terms("prompt " * 1_000_000) == ()


def test_emphasis_and_windows_of_an_answer_are_left_out() -> None:
    assert terms("a lake, (warm light:1.9), fog (dawn), BREAK, word++") == (
        "a lake",
        "warm light",
        "fog dawn",
    )
