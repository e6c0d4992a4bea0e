"""The held-out list: prompts as people type them, and what their pictures must show."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random

from demo.evaluation.labels import ONE_OF_FOUR
from demo.scenes.looks import CHARACTERS
from demo.scenes.scene import Choice, Scene, Thing, any_scene

SEED = 40_000_000
"""Of scenes that neither training nor the judge saw."""
CATALOGUE_STYLES: Mapping[str, str] = {
    "storybook": "professional",
    "outline": "outline",
    "neon": "neon",
    "watercolour": "watercolour",
    "papercut": "papercut",
}
"""Drawing styles of the generator by their name in the demo catalogue."""
DRAWING_STYLES = {name: style for style, name in CATALOGUE_STYLES.items()}
HELD_OUT = Path(__file__).with_name("held_out.tsv")
"""Prompt, style of the catalogue, and the right answers that do not follow from these."""


@dataclass(frozen=True)
class Question:
    prompt: str
    style: str
    """Of the catalogue."""
    seed: int
    expected: Mapping[str, str]
    """Right answers by the classifier's questions."""


def questions(count: int) -> Iterator[Question]:
    """Of `held_out.tsv`, in an order that mixes its kinds. Its empty answers are what nobody can know."""
    with HELD_OUT.open(encoding="utf-8", newline="") as lines:
        rows = list(enumerate(csv.DictReader(lines, delimiter="\t")))
    Random(0).shuffle(rows)
    for seed, row in rows[:count]:
        asked = {name: row[name] for name in ("subject", "object_colour", "setting") if row[name]}
        name = next((name for name in CHARACTERS if f"@{name}" in row["prompt"]), "")
        if name:
            asked |= _character(name)
        yield Question(row["prompt"], row["style"], seed, {**asked, "style": DRAWING_STYLES[row["style"]]})


def everywhere(choice: Choice) -> Iterator[Question]:
    """Each character in each setting and style."""
    for seed, (name, place, style) in enumerate(product(CHARACTERS, choice.places, choice.styles)):
        expected = {**_character(name), "setting": place.name, "style": style.name}
        yield Question(f"@{name} {place.words[0]}", CATALOGUE_STYLES[style.name], seed, expected)


def _character(name: str) -> dict[str, str]:
    return {"subject": CHARACTERS[name].kind.name, "character": name, ONE_OF_FOUR: name}


def negatives(choice: Choice, count: int) -> Iterator[tuple[Question, Question]]:
    """Prompts that most pictures answer with an unasked detail, and the same with `-detail`."""
    for number in range(count):
        scene = any_scene(SEED + 1_000_000 + number, replace(choice, mascots=0.0, landscapes=0.0))
        assert isinstance(scene.main, Thing)
        plain = _question(scene.main, scene, number)
        clouds = not scene.place.indoor and number % 2 == 0
        unwanted = "clouds" if clouds else scene.place.detail
        expected = {"clouds" if clouds else "detail": "with"}
        yield (
            replace(plain, expected=expected),
            replace(plain, prompt=f"{plain.prompt}, -{unwanted}", expected=expected),
        )


def _question(thing: Thing, scene: Scene, number: int) -> Question:
    light = "" if scene.light.name == "day" else f", {scene.light.words[0]}"
    return Question(
        prompt=f"{_counted(thing, scene.count)} {Random(number).choice(scene.place.words)}{light}",
        style=CATALOGUE_STYLES[scene.style.name],
        seed=number,
        expected={},
    )


def _counted(thing: Thing, count: int) -> str:
    if count == 1:
        return f"a {thing.colour} {thing.subject.name}"
    return f"{('two', 'three')[count - 2]} {thing.colour} {thing.subject.plural}"
