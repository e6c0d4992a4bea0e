from pathlib import Path

import pytest

from acs.ruleset import FOLDER, Ruleset, load_rulesets
from acs.strict_yaml import DataError
from acs.wordlist import load_all

LISTS = load_all()
GOOD = """
description: A test
categories:
  - id: birds
    name: Birds
    rules:
      - {id: birds.terms, terms: [parrot]}
"""


def load(folder: Path, content: str) -> Ruleset:
    (folder / "default.yaml").write_text(content)
    return load_rulesets(folder, LISTS)["default"]


def test_rulesets_that_come_along_load() -> None:
    rulesets = load_rulesets(FOLDER, LISTS)
    assert {"default", "strict"} <= set(rulesets)
    default, strict = ({item.id for item in rulesets[name].categories} for name in ("default", "strict"))
    assert default < strict


def test_ruleset_is_read(tmp_path: Path) -> None:
    (category,) = load(tmp_path, GOOD).categories
    assert (category.id, category.name, category.rules[0].id) == ("birds", "Birds", "birds.terms")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("description: A test", "", "missing required field `description`"),
        ("name: Birds", "name: 7", "Expected `str`, got `int` - at `$.categories[0].name`"),
        ("name: Birds", "name: 'A, B'", "$.categories[0].name"),
        ("id: birds\n", "id: 'Birds!'\n", "$.categories[0].id"),
        ("terms: [parrot]", "term: [parrot]", "unknown field `term`"),
        (", terms: [parrot]", "", "$.categories[0].rules[0]: expected at least one of"),
        ("terms: [parrot]", "terms: ['12']", "$.categories[0].rules[0].terms[0]: expected letters"),
        ("terms: [parrot]", "wordlists: [nothing]", "expected one of drugs, minors"),
        ("terms: [parrot]", "detects: {WINGS: 0.5}", "'WINGS', expected one of ANUS_COVERED"),
        ("terms: [parrot]", "detects: {FACE_MALE: 1.5}", "Expected `float` <= 1.0"),
        ("terms: [parrot]", "detects: {FACE_MALE: .nan}", "Expected `float`"),
        ("terms: [parrot]", "terms: [a b], terms: [c d]", "key 'terms' is given twice"),
        ("categories:", "precompliance: {risk_score: 1, threshold_factor: 2}\ncategories:", "<= 1.0"),
        ("categories:", "x: &a 1\ny: *a\ncategories:", "aliases are not allowed"),
        ("categories:", "categories: [", "default.yaml"),
    ],
)
def test_mistake_names_file_key_and_expected_value(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError, match=r"^default\.yaml: ") as raised:
        load(tmp_path, GOOD.replace(old, new))
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("id: birds\n", "id: minors\n"),
        ("id: birds\n", "id: minors.text\n"),
        ("id: birds.terms", "id: minors"),
        ("id: birds.terms", "id: minors.text"),
        ("id: birds.terms", "id: minors.image"),
        ("id: birds.terms", "id: minors-image"),
        ("categories:", "disable: [minors]\ncategories:"),
        ("categories:", "minors: false\ncategories:"),
        ("name: Birds", "name: Birds\n    enabled: false"),
        ("terms: [parrot]", "terms: [parrot], exceptions: [child]"),
        ("terms: [parrot]", "detects: {FEMALE_BREAST_EXPOSED: 0}"),
    ],
)
def test_ruleset_that_touches_the_minors_rule_is_refused(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError):
        load(tmp_path, GOOD.replace(old, new))


def test_id_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'birds\.terms' is given twice"):
        load(tmp_path, GOOD + "      - {id: birds.terms, terms: [finch]}\n")


def test_folder_without_a_default_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(GOOD)
    with pytest.raises(DataError, match=r"default\.yaml"):
        load_rulesets(tmp_path, LISTS)


def test_file_name_that_is_no_ruleset_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "My rules.yaml").write_text(GOOD)
    with pytest.raises(DataError, match=r"My rules\.yaml: expected a name"):
        load_rulesets(tmp_path, LISTS)


def test_version_is_another_one_when_the_detector_or_what_runs_it_is() -> None:
    versions = {
        load_rulesets(FOLDER, LISTS, detector)["default"].version
        for detector in (
            "",
            "nudenet 3.4.2, onnxruntime 1.32.0, f32",
            "nudenet 3.4.2, onnxruntime 1.33.0, f32",
        )
    }
    assert len(versions) == 3


def test_version_is_another_one_when_the_file_is(tmp_path: Path) -> None:
    first, again = load(tmp_path, GOOD), load(tmp_path, GOOD)
    assert first.version == again.version
    assert load(tmp_path, GOOD.replace("parrot", "finch")).version != first.version
