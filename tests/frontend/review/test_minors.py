"""Which verdicts have to do with minors."""

import pytest

from acs import minors
from contract.acs import MINORS_CATEGORY, Category
from frontend.domain.verdict import Verdict
from frontend.review.minors import about_minors
from tests.frontend.jobs.orders import SHA


def verdict(category: str, name: str = "Some Name", code: str = "rule-1") -> Verdict:
    return Verdict(
        compliance="unsafe",
        codes=(code,),
        categories=(Category(id="weapons", name="Weapons"), Category(id=category, name=name)),
        sha256=SHA,
        ruleset="default",
        when="2026-01-02T03:04:06Z",
    )


def test_reference_reviewers_minors_rule_is_known_by_its_category() -> None:
    assert minors.CATEGORY_ID == MINORS_CATEGORY
    assert about_minors(verdict(minors.CATEGORY_ID, minors.CATEGORY_NAME, minors.TEXT_CODE))


@pytest.mark.parametrize(
    ("category", "name", "code"),
    [
        ("minors.image", "Some Name", "rule-1"),
        ("sexual/minors", "Some Name", "rule-1"),
        ("childSafety", "Some Name", "rule-1"),
        ("CSAMDetected", "Some Name", "rule-1"),
        ("child_exploitation", "Some Name", "rule-1"),
        ("S4", "Child Sexual Exploitation", "rule-1"),
        ("7", "Other", "minors-text"),
        ("7", "UNDERAGE PERSONS", "rule-1"),
        ("under-age", "Some Name", "rule-1"),
        ("preteen", "Some Name", "rule-1"),
        ("infantNudity", "Some Name", "rule-1"),
        ("toddlers", "Some Name", "rule-1"),
        ("7", "Lolicon", "rule-1"),
        ("adolescent_content", "Some Name", "rule-1"),
        ("schoolgirls", "Some Name", "rule-1"),
    ],
)
def test_other_reviewers_words_for_children_are_read_as_the_minors_rule(
    category: str, name: str, code: str
) -> None:
    assert about_minors(verdict(category, name, code))


@pytest.mark.parametrize("category", ["gore", "kidnapping", "hate-minorities", "canteen", "torpedoes"])
def test_other_categories_are_not(category: str) -> None:
    assert not about_minors(verdict(category))
