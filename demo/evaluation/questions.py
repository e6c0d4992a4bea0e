"""The held-out list: prompts as a client writes them, and what their pictures must show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random

from demo.evaluation.labels import ONE_OF_FOUR, PERSON
from demo.scenes.looks import CHARACTERS
from demo.scenes.people import ACTIVITIES
from demo.scenes.scene import Choice, Person, Scene, Thing, any_scene, character_scene

SEED = 40_000_000
"""Of scenes that neither training nor the classifier saw."""
CATALOGUE_STYLES: Mapping[str, str] = {
    "storybook": "professional",
    "outline": "outline",
    "neon": "neon",
    "watercolour": "watercolour",
    "papercut": "papercut",
}
"""Drawing styles of the generator by their name in the demo catalogue."""


@dataclass(frozen=True)
class Question:
    prompt: str
    style: str
    """Of the catalogue."""
    seed: int
    expected: Mapping[str, str]
    """Right answers by the classifier's questions."""


def questions(choice: Choice, count: int) -> Iterator[Question]:
    """Two things for each character, one of which has a colour."""
    names = tuple(CHARACTERS)
    for number in range(count):
        if number % 3 == 2:
            yield _question(character_scene(names[number // 3 % len(names)], SEED + number, choice), number)
        else:
            yield _question(any_scene(SEED + number, replace(choice, people=0.0)), number)


def negatives(choice: Choice, count: int) -> Iterator[tuple[Question, Question]]:
    """Prompts that most pictures answer with an unasked detail, and the same with `-detail`."""
    for number in range(count):
        scene = any_scene(SEED + 1_000_000 + number, replace(choice, people=0.0))
        plain = _question(scene, number)
        clouds = not scene.place.indoor and number % 2 == 0
        unwanted = "clouds" if clouds else scene.place.detail
        expected = {"clouds" if clouds else "detail": "with"}
        yield (
            replace(plain, expected=expected),
            replace(plain, prompt=f"{plain.prompt}, -{unwanted}", expected=expected),
        )


def _question(scene: Scene, number: int) -> Question:
    random, main = Random(number), scene.main
    expected = {"setting": scene.place.name, "style": scene.style.name}
    light = "" if scene.light.name == "day" else f", {scene.light.words[0]}"
    if isinstance(main, Person):
        expected |= {"subject": PERSON, "character": main.name, ONE_OF_FOUR: main.name}
        words = f"@{main.name} {random.choice(ACTIVITIES[main.activity])}"
    else:
        expected |= {"subject": main.subject.name, "object_colour": main.colour}
        words = _counted(main, scene.count)
    return Question(
        prompt=f"{words} {random.choice(scene.place.words)}{light}",
        style=CATALOGUE_STYLES[scene.style.name],
        seed=number,
        expected=expected,
    )


def _counted(thing: Thing, count: int) -> str:
    if count == 1:
        return f"a {thing.colour} {thing.subject.name}"
    return f"{('two', 'three')[count - 2]} {thing.colour} {thing.subject.plural}"
