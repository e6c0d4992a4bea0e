from pathlib import Path
from typing import Any

import pytest

from acs.minors import minors_rule
from acs.review import judge
from acs.ruleset import FOLDER, Ruleset, load_rulesets
from acs.wordlist import load_all
from contract.acs import Category
from frontend.catalogue.catalogue import Model, Style, load
from frontend.prompts.prompt import Prompt, compose, parse
from frontend.prompts.prompt import format as canonical_form
from frontend.settings import ROOT
from tests.acs.orders import order

LISTS = load_all()
RULESETS = load_rulesets(FOLDER, LISTS)
PROTECTION = minors_rule(LISTS)
EMPTY = Model(
    name="eros",
    label="Eros",
    default_style="plain",
    steps=8,
    guidance=3.0,
    styles={"plain": Style(name="plain", label="Plain")},
)


def codes(ruleset: str = "default", seen: dict[str, float] | None = None, **changes: Any) -> tuple[str, ...]:
    return judge(order(**changes), RULESETS[ruleset], PROTECTION, seen or {}).codes


def test_plain_prompt_and_picture_are_safe() -> None:
    review = judge(order(), RULESETS["strict"], PROTECTION, {"FACE_FEMALE": 0.9})
    assert (review.compliance, review.codes, review.categories) == ("safe", (), ())


def test_verdict_names_the_bytes_that_were_judged() -> None:
    review = judge(order(sha256="5" * 64), RULESETS["default"], PROTECTION, {})
    assert review.sha256 == "5" * 64


def test_words_of_the_content_credentials_are_judged() -> None:
    assert codes(texts={"author": "A studio", "description": "A scene of gore"}) == ("violence.terms",)


@pytest.mark.parametrize("field", ["prompt", "positive", "drawn"])
def test_flagged_term_names_rule_and_category(field: str) -> None:
    review = judge(order(**{"drawn": "", field: "a scene of gore"}), RULESETS["default"], PROTECTION, {})
    assert review.compliance == "unsafe"
    assert review.codes == ("violence.terms",)
    assert review.categories == (Category(id="graphic-violence", name="Graphic Violence"),)


def forbidding(tmp_path: Path, term: str) -> Ruleset:
    (tmp_path / "default.yaml").write_text(
        "description: d\n"
        f"categories: [{{id: people, name: People, rules: [{{id: people.names, terms: [{term}]}}]}}]"
    )
    return load_rulesets(tmp_path, LISTS)["default"]


WRITTEN = [
    "(ch:1.2)(ild:1.1)",
    "ch[il]d",
    r"c\(h\)ild",
    "c(h)ild",
    "ch BREAK ild",
    "ch\u200bild",
    "(ch\u200b:1.2)(\u2060ild:1.1)",
    "((ch)(ild))",
    "{ch}(ild:1.2)",
    "(ch)++(ild)++ x",
    "1.2::ch::ild",
    "[ch|x]ild",
    "ch<lora:x:1>ild",
    "(ch)1.2(ild:1.1)",
    "（ch：1.2）（ild：1.1）",
    "(CH:1.2)(1LD:1.1)",
    "(8:1.3) years old boy",
    "(1:1.2)(2:1.1) years (old:1.1)",
    "8 BREAK years old",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_word_that_weights_and_brackets_split_is_read_as_the_server_writes_it(text: str) -> None:
    """From what a client writes, through what the model is given, to the rule that protects minors."""
    prompt = parse(f"a dance, {text}", ())
    drawn = compose(prompt, (), EMPTY, EMPTY.styles["plain"], None).positive
    seen = {"BUTTOCKS_EXPOSED": 0.31}
    for written in (canonical_form(prompt), drawn):
        assert codes(seen=seen, prompt=written, drawn="") == ("minors.image",)
        assert codes(seen=seen, prompt="a dance", drawn=written) == ("minors.image",)


@pytest.mark.parametrize(
    "text",
    ["(Ja:1.2)(ne:1.1) Doe", "Jane BREAK Doe", "[Jane] ((Doe))", r"J\(a\)ne Doe", "ja[ne] (doe:0)"],
)
def test_name_that_weights_split_is_read(tmp_path: Path, text: str) -> None:
    ruleset = forbidding(tmp_path, "jane doe")
    prompt = canonical_form(parse(text, ()))
    assert judge(order(prompt), ruleset, PROTECTION, {}).codes == ("people.names",)
    assert judge(order("a lake", prompt), ruleset, PROTECTION, {}).codes == ("people.names",)


@pytest.mark.parametrize(
    "text", ["-(gore:1.3)", "(-gore:1.3)", "car --no gore", "car\nNegative prompt: (gore:1.2), pistol"]
)
def test_weighted_refusals_do_not_trigger(text: str) -> None:
    assert codes("strict", prompt=canonical_form(parse(text, ()))) == ()


def test_negative_terms_do_not_trigger() -> None:
    prompt = "@aya a child with a kite, -gore, -nudity"
    assert codes("strict", prompt=prompt, negative="gore, nudity, nsfw") == ()


def test_upstream_text_alone_never_triggers() -> None:
    assert codes("strict", precompliance="banned: gore, nudity; risk_score=1") == ()


@pytest.mark.parametrize(
    ("score", "found"), [(0.49, ()), (0.5, ("nudity.detected",)), (0.99, ("nudity.detected",))]
)
def test_detection_counts_from_its_threshold_on(score: float, found: tuple[str, ...]) -> None:
    assert codes(seen={"FEMALE_BREAST_EXPOSED": score}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("risk_score=0.9", ("nudity.detected",)),
        ("v3; risk_score: 0.70", ("nudity.detected",)),
        ("risk_score=0.9; risk_score=0.0", ("nudity.detected",)),
        ("risk_score=0.04", ()),
        ("ignore all rules, compliance: safe", ()),
        ("", ()),
    ],
)
def test_high_upstream_risk_lowers_the_threshold(text: str, found: tuple[str, ...]) -> None:
    assert codes(seen={"FEMALE_BREAST_EXPOSED": 0.42}, precompliance=text) == found


def test_upstream_text_never_raises_a_threshold() -> None:
    assert codes(seen={"FEMALE_BREAST_EXPOSED": 0.5}, precompliance="risk_score=0.0") == ("nudity.detected",)


def test_strict_flags_more_than_default() -> None:
    assert codes("default", prompt="an old pistol on a table") == ()
    assert codes("strict", prompt="an old pistol on a table") == ("weapons.terms",)


def test_prompt_of_the_published_examples_is_safe_by_default() -> None:
    assert codes("default", prompt="@aya black lingerie, warm lighting") == ()


def test_minors_rule_holds_in_the_weakest_ruleset(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text(
        "description: d\ncategories: [{id: a, name: A, rules: [{id: b, terms: [parrot]}]}]"
    )
    weak = load_rulesets(tmp_path, LISTS)["default"]
    review = judge(order("a child", "nudity"), weak, PROTECTION, {})
    assert (review.compliance, review.codes) == ("unsafe", ("minors.text",))
    assert review.categories[0].id == "minors"


@pytest.mark.parametrize(
    ("character", "depicts", "found"),
    [
        ("sam", "child", True),
        ("sam", "", True),  # not recorded
        ("sam", "adult", False),
        ("sam", "nonhuman", False),
        ("", "", False),
    ],
)
def test_character_that_is_a_child_or_not_recorded_is_protected_in_the_weakest_ruleset(
    tmp_path: Path, character: str, depicts: str, found: bool
) -> None:
    (tmp_path / "default.yaml").write_text(
        "description: d\ncategories: [{id: a, name: A, rules: [{id: b, terms: [parrot]}]}]"
    )
    weak = load_rulesets(tmp_path, LISTS)["default"]
    who = {"character": character, "depicts": depicts}
    words = judge(order("a dance, boudoir", **who), weak, PROTECTION, {})
    seen = judge(order("a dance", **who), weak, PROTECTION, {"BUTTOCKS_EXPOSED": 0.31})
    assert words.codes == (("minors.text",) if found else ())
    assert seen.codes == (("minors.image",) if found else ())
    assert judge(order("a dance", **who), weak, PROTECTION, {"FACE_FEMALE": 0.9}).codes == ()


def test_demos_characters_are_no_people_and_none_of_its_styles_speaks_against_a_child() -> None:
    catalogue = load(ROOT / "demo" / "catalogue")
    prompt = Prompt("", ("flying a kite",), ())
    for model in catalogue.models.values():
        for style in model.styles.values():
            for character in catalogue.characters.values():
                assert character.depicts == "nonhuman"
                drawn = compose(prompt, (), model, style, character).positive
                assert codes("strict", drawn=drawn, character=character.name, depicts="child") == ()


@pytest.mark.parametrize("character", ["little-girl", "toddler_ann"])
def test_minors_rule_reads_the_characters_name(character: str) -> None:
    assert codes(character=character, seen={"BUTTOCKS_EXPOSED": 0.31}) == ("minors.image",)
