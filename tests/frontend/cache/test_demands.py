"""Rows of demands: each has a picture that meets it and one that does not."""

from typing import Any

import msgspec
import pytest

from frontend.cache.candidate import Candidate
from frontend.cache.demands import ROWS, Demands, unmet
from frontend.domain.prompt_intent import PromptIntent

MADE = Candidate(
    entry="5-0",
    home="eros/",
    intent=PromptIntent("a tree", ()),
    drawn="a tree",
    width=1344,
    height=768,
    format="webp",
    quality=90,
    lossless=False,
    seed=7,
    weights="",
    ruleset="default",
    ruleset_version="",
)
ASKED: dict[str, Any] = {
    "size": (1344, 768),
    "format": "webp",
    "quality": 90,
    "lossless": False,
    "seed": None,
    "own_look": False,
}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("own_look", {"own_look": True}, {}),
    ("size", {"size": (768, 1344)}, {}),
    ("format", {"format": "jpeg"}, {}),
    ("seed", {"seed": 8}, {}),
    ("lossless", {"lossless": True}, {}),
    ("quality", {"quality": 91}, {}),
]


def test_picture_as_it_was_ordered_will_do() -> None:
    assert unmet(Demands(**ASKED), MADE) is None


@pytest.mark.parametrize(("name", "asked", "made"), CASES)
def test_demand_is_named(name: str, asked: dict[str, Any], made: dict[str, Any]) -> None:
    assert unmet(Demands(**ASKED | asked), msgspec.structs.replace(MADE, **made)) == name


def test_every_row_has_a_case() -> None:
    assert [name for name, _ in ROWS] == [name for name, _, _ in CASES]


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({"seed": 7}, {}),
        ({"quality": 60}, {}),
        ({"quality": 95}, {"lossless": True}),
        ({}, {"lossless": True}),
    ],
)
def test_better_encoding_than_was_ordered_will_do(asked: dict[str, Any], made: dict[str, Any]) -> None:
    assert unmet(Demands(**ASKED | asked), msgspec.structs.replace(MADE, **made)) is None
