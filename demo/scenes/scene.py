"""What a picture shows, decided before anything is drawn or said about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from demo.scenes.lights import LIGHTS, WEATHERS, Light, Weather
from demo.scenes.looks import CHARACTERS, Look, any_look
from demo.scenes.mascots import any_activity
from demo.scenes.places import PLACES, Place
from demo.scenes.styles import STYLES, USUAL_STYLE, Style
from demo.scenes.subjects import BY_NAME, SUBJECTS, Subject

USUAL = 0.75
"""Share of pictures that show what captions need not mention. With half of the captions silent about it, a
silent prompt shows it more often than not, and a negative prompt takes it away."""


@dataclass(frozen=True)
class Thing:
    subject: Subject
    colour: str


@dataclass(frozen=True)
class Mascot:
    look: Look
    activity: str
    name: str = ""
    """Of a character; the caption then says it in place of the look."""


@dataclass(frozen=True)
class Scene:
    main: Thing | Mascot | None
    """None: the place alone."""
    place: Place
    light: Light
    weather: Weather
    style: Style
    count: int = 1
    relation: str = ""
    """Of `main` to `other`; empty where `main` is alone."""
    other: Thing | None = None
    detail: bool = True
    """Whether the place's own detail is there."""
    clouds: bool = True
    seed: int = 0
    """Of everything that the caption does not say: trees, clouds, windows."""

    def __post_init__(self) -> None:
        if self.count not in (1, 2, 3) or (self.count > 1 and self.other is not None):
            raise ValueError("one to three of a thing, and a companion only for one")
        if self.main is None and (self.count > 1 or self.other is not None):
            raise ValueError("a place alone has neither number nor companion")
        if bool(self.relation) != (self.other is not None):
            raise ValueError("a companion needs a relation")


@dataclass(frozen=True)
class Choice:
    """Which rows of the tables may be drawn; the first, small model sees fewer."""

    subjects: Sequence[Subject] = SUBJECTS
    places: Sequence[Place] = PLACES
    styles: Sequence[Style] = STYLES
    usual: float = 0.0
    """Share of pictures that have the style which captions need not name, before all are drawn evenly."""
    mascots: float = 0.35
    """Share of pictures about a mascot."""
    landscapes: float = 0.1
    """Share of pictures of a place alone."""
    crowds: float = 0.25
    """Share of the other pictures with two or three of a thing."""
    companions: float = 0.25
    weathers: Sequence[Weather] = WEATHERS
    """The first is the usual one."""
    variety: int = 6
    """How many different arrangements of all that a caption does not say. Fewer are learnt faster and drawn
    more crisply; each noise seed still picks one of them."""


EVERYTHING = Choice()


def any_scene(seed: int, choice: Choice = EVERYTHING) -> Scene:
    random = Random(seed)
    about = random.random()
    if about < choice.landscapes:
        return _around(None, random, choice)
    if about < choice.landscapes + choice.mascots:
        return _around(Mascot(any_look(random), any_activity(random)), random, choice)
    return _around(any_thing(random, choice.subjects), random, choice)


def character_scene(name: str, seed: int, choice: Choice = EVERYTHING) -> Scene:
    random = Random(seed)
    return _around(Mascot(CHARACTERS[name], any_activity(random), name), random, choice)


def whole_scene(seed: int, choice: Choice = EVERYTHING) -> Scene:
    """With all that is usual."""
    return replace(any_scene(seed, choice), detail=True, clouds=True)


def lesser_scene(seed: int, choice: Choice = EVERYTHING) -> Scene:
    """The whole scene without its detail, or without clouds; all else is the same to the pixel."""
    whole = whole_scene(seed, choice)
    if whole.place.indoor or Random(seed + 1).random() < 0.5:
        return replace(whole, detail=False)
    return replace(whole, clouds=False)


def any_thing(random: Random, subjects: Sequence[Subject]) -> Thing:
    subject = random.choice(subjects)
    return Thing(subject, random.choice(subject.colours))


def _around(main: Thing | Mascot | None, random: Random, choice: Choice) -> Scene:
    place = random.choice(choice.places)
    clear = place.indoor or len(choice.weathers) == 1 or random.random() < 0.7
    scene = Scene(
        main=main,
        place=place,
        light=random.choice(LIGHTS),
        weather=choice.weathers[0] if clear else random.choice(choice.weathers[1:]),
        style=USUAL_STYLE if random.random() < choice.usual else random.choice(choice.styles),
        detail=random.random() < USUAL,
        clouds=random.random() < USUAL,
        seed=random.randrange(choice.variety),
    )
    drawn = random.random()
    if main is None:
        return scene
    if drawn < choice.companions:
        return _accompanied(scene, random, choice)
    if isinstance(main, Thing) and drawn < choice.companions + choice.crowds:
        return replace(scene, count=random.choice((2, 2, 3)))
    return scene


def _accompanied(scene: Scene, random: Random, choice: Choice) -> Scene:
    airborne = [subject for subject in choice.subjects if subject.airborne]
    large = [
        subject
        for subject in choice.subjects
        if subject.name in ("house", "castle", "tree", "lighthouse", "tent", "bus")
    ]
    grounded = [subject for subject in choice.subjects if not subject.airborne]
    up = isinstance(scene.main, Thing) and scene.main.subject.airborne
    kinds = ["above"] if up else ["left of", "left of", "right of"]
    if not up and airborne:
        kinds.append("under")
    if not up and large:
        kinds += ["in front of", "in front of"]
    if not up and BY_NAME["tree"] in choice.subjects:
        kinds += ["under tree", "under tree"]
    relation = random.choice(kinds)
    if relation == "under tree":
        return replace(scene, relation="under", other=Thing(BY_NAME["tree"], "green"))
    pool = {"under": airborne, "in front of": large}.get(relation, grounded)
    return replace(scene, relation=relation, other=any_thing(random, pool))
