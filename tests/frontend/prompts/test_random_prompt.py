import math
import random
from pathlib import Path

import msgspec
import pytest
import yaml

from frontend.catalogue.catalogue import load
from frontend.common.errors import ApiError, CatalogueError
from frontend.prompts.built_in_grammar import BUILT_IN, open_grammar
from frontend.prompts.prompt import format as canonical_form
from frontend.prompts.prompt import parse
from frontend.prompts.random_prompt import Grammar, load_grammar, random_prompt

DEMO = Path(__file__).parents[3] / "demo" / "catalogue"
CATALOGUE = load(DEMO)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return load_grammar(DEMO / "random.yaml")


def test_omitted_character_is_a_random_one(grammar: Grammar) -> None:
    drawn = {random_prompt(grammar, CATALOGUE, None, random.Random(seed)).character for seed in range(100)}
    assert drawn == set(CATALOGUE.characters)


def test_empty_character_is_nobody(grammar: Grammar) -> None:
    drawn = [random_prompt(grammar, CATALOGUE, "", random.Random(seed)) for seed in range(100)]
    assert {each.character for each in drawn} == {""}


@pytest.mark.parametrize("asked", ["mira", "Mira", "@mira", " mira ", "＠ｍｉｒａ"])
def test_named_character_is_that_one(grammar: Grammar, asked: str) -> None:
    assert random_prompt(grammar, CATALOGUE, asked).character == "mira"


def test_unknown_character_is_refused(grammar: Grammar) -> None:
    with pytest.raises(ApiError, match="Invalid character") as refusal:
        random_prompt(grammar, CATALOGUE, "nobody")
    assert refusal.value.status == 400


def test_every_prompt_is_canonical_and_says_something(grammar: Grammar) -> None:
    for seed in range(300):
        drawn = random_prompt(grammar, CATALOGUE, None if seed % 2 else "", random.Random(seed))
        assert parse(canonical_form(drawn), CATALOGUE.characters) == drawn
        assert len(drawn.positive) >= 2


def test_prompts_are_fresh_each_time(grammar: Grammar) -> None:
    drawn = {canonical_form(random_prompt(grammar, CATALOGUE, "aya")) for _ in range(100)}
    assert len(drawn) > 90


@pytest.mark.parametrize(
    "slots", [("action", "place", "light", "mood"), ("colour", "thing", "place", "light", "mood")]
)
def test_demo_grammar_has_tens_of_thousands_of_prompts(grammar: Grammar, slots: tuple[str, ...]) -> None:
    characters = len(CATALOGUE.characters) if "action" in slots else 1
    assert characters * math.prod(len(set(grammar.lists[slot])) for slot in slots) > 30_000


def test_model_without_characters_gives_prompts_without_one(grammar: Grammar, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "eros.yaml").write_bytes((DEMO / "models" / "eros.yaml").read_bytes())
    assert random_prompt(grammar, load(tmp_path), None).character == ""


GOOD = """\
forms: {with_character: ["{thing}"], without_character: ["{thing}"]}
lists: {thing: [a tree]}
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD.replace("{thing}", "{thyng}"), "expected slots of thing, got 'thyng'"),
        (GOOD.replace("[a tree]", "[]"), "lists[...]: expected `array` of length >= 1"),
        (GOOD.replace("a tree", "'@aya'"), "lists.thing: expected terms of a prompt"),
        (GOOD.replace("a tree", "','"), "lists.thing: expected terms of a prompt"),
        (GOOD.replace("a tree", "3"), "lists[...][0]: expected `str`"),
        (GOOD.replace("a tree", "x" * 200).replace("{thing}", "{thing}" * 25), "Prompt is too long"),
        ("lists: {}\n", "required field `forms`"),
    ],
)
def test_mistake_in_the_grammar_names_file_and_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "random.yaml"
    path.write_text(text)
    with pytest.raises(CatalogueError) as mistake:
        load_grammar(path)
    assert str(path) in str(mistake.value)
    assert said in str(mistake.value)


def test_without_a_file_there_is_a_small_grammar_of_our_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert open_grammar(tmp_path / "random.yaml") is BUILT_IN and not caplog.records
    written = tmp_path / "random.yaml"
    written.write_bytes(yaml.safe_dump(msgspec.to_builtins(BUILT_IN, str_keys=True)).encode())
    assert load_grammar(written) == BUILT_IN  # so it is one that the API takes
    written.write_text("forms: [")
    assert open_grammar(written) is BUILT_IN
    assert [record.getMessage()[:40] for record in caplog.records] == [
        "`random` draws from the built-in grammar"
    ]


def test_prompts_of_our_own_grammar_differ_and_name_who_was_asked_for() -> None:
    drawn = {
        canonical_form(random_prompt(BUILT_IN, CATALOGUE, "aya", random.Random(seed))) for seed in range(50)
    }
    assert len(drawn) > 25 and all(text.startswith("@aya ") for text in drawn)
    nobody = {
        canonical_form(random_prompt(BUILT_IN, CATALOGUE, "", random.Random(seed))) for seed in range(50)
    }
    assert len(nobody) > 25 and not any("@" in text or "{" in text for text in nobody)
