"""Says what a scene shows, as a sentence or as comma tags.

Unsaid things have one meaning each (storybook style, daylight, clear weather), so that a short prompt gives a
settled picture.
"""

from __future__ import annotations

from random import Random

from demo.scenes.fillers import filler, flaws
from demo.scenes.people import ACTIVITIES
from demo.scenes.scene import Person, Scene, Thing

NUMBERS = {1: "one", 2: "two", 3: "three"}
UNSAID_STYLE, UNSAID_LIGHT = "storybook", "day"
FILLED = 0.2
"""Share of captions with words that mean nothing here."""
LACKING, IDLE, STRANGE = 0.7, 0.35, 0.15
"""Shares of exclusions that name what the picture lacks and most show, flaws, and things that few show."""
STRANGERS = (
    "rain", "snow", "a car", "people", "trees", "a house", "flowers", "hat", "text", "water", "a dog",
)  # fmt: skip


def caption(scene: Scene, random: Random, placed: bool = True) -> str:
    """`placed`: with the place; people leave it open at times."""
    parts = [_sentence(scene, random, placed) if random.random() < 0.6 else _tags(scene, random, placed)]
    extra = _extras(scene, random)
    if random.random() < FILLED:
        extra += [filler(random) for _ in range(random.randint(1, 3))]
    random.shuffle(extra)
    style = _style(scene, random)
    if style and random.random() < 0.25:
        return ", ".join([style, *parts, *extra])
    return ", ".join([*parts, *extra, *([style] if style else [])])


def mentions(scene: Scene, random: Random) -> list[str]:
    """One or two things that the picture shows, said alone: what a negative prompt names."""
    things = [_one(_coloured(thing)) for thing in (scene.main, scene.other) if isinstance(thing, Thing)]
    named = [*things, random.choice(scene.place.words), scene.style.words[0], *_usual(scene) * 3]
    named += [words[0] for words in (scene.light.words, scene.weather.words) if words]
    return random.sample(named, min(len(named), random.choice((1, 1, 2))))


def _usual(scene: Scene) -> list[str]:
    """What most pictures show without being asked, and this one does."""
    shown = ((scene.place.detail, scene.detail), ("clouds", scene.clouds and not scene.place.indoor))
    return [word for word, there in shown if there]


def absent(scene: Scene) -> list[str]:
    """The usual things that are not there."""
    usual = [scene.place.detail] if scene.place.indoor else [scene.place.detail, "clouds"]
    return [word for word in usual if word not in _usual(scene)]


def exclusion(scene: Scene, random: Random) -> str:
    """What is not wanted, as the server says it to this model: ", without clouds, blurry"; may be empty."""
    named: list[str] = []
    if (lacking := absent(scene)) and random.random() < LACKING:
        named += random.sample(lacking, random.randint(1, len(lacking)))
    if random.random() < IDLE:
        named += flaws(random).split(", ")
    if random.random() < STRANGE:
        words = caption(scene, Random(0))
        named += [word for word in random.sample(STRANGERS, 2) if word.split()[-1].rstrip("s") not in words]
    random.shuffle(named)
    return f", without {', '.join(named)}" if named else ""


def _sentence(scene: Scene, random: Random, placed: bool) -> str:
    words = _noun(scene, random)
    if scene.other is not None:
        words += f" {_relation(scene, random)} {_one(_coloured(scene.other))}"
    return f"{words} {random.choice(scene.place.words)}" if placed else words


def _tags(scene: Scene, random: Random, placed: bool) -> str:
    main = scene.main
    if isinstance(main, Person):
        tags = [main.name] if main.name else [main.look.kind, *_look_tags(main)]
        tags.append(random.choice(ACTIVITIES[main.activity]))
    elif scene.count > 1:
        tags = [f"{NUMBERS[scene.count]} {main.colour} {main.subject.plural}"]
    else:
        tags = [_coloured(main)]
    if scene.other is not None:
        tags.append(f"{_relation(scene, random)} {_one(_coloured(scene.other))}")
    place = random.choice(scene.place.words)
    if random.random() < 0.5:
        place = " ".join(
            word for word in place.split(" ") if word not in ("on", "in", "at", "by", "the", "a")
        )
    return ", ".join([*tags, place] if placed else tags)


def _noun(scene: Scene, random: Random) -> str:
    main = scene.main
    if isinstance(main, Thing):
        if scene.count > 1:
            return f"{NUMBERS[scene.count]} {main.colour} {main.subject.plural}"
        return _one(_coloured(main))
    activity = random.choice(ACTIVITIES[main.activity])
    if main.name:
        return f"{main.name}{random.choice((' ', ', '))}{activity}"
    return f"a {main.look.kind} {_look_sentence(main, random)} {activity}"


def _look_sentence(person: Person, random: Random) -> str:
    look = person.look
    words = f"in {_one(f'{look.colour} {look.clothes}')}"
    if random.random() < 0.6:
        words = f"with {look.cut} {look.hair} hair {words}"
    if look.hat:
        words += f" and {_one(f'{look.hat_colour} {look.hat}')}"
    return words + (" with glasses" if look.glasses else "")


def _look_tags(person: Person) -> list[str]:
    look = person.look
    tags = [f"{look.cut} {look.hair} hair", f"{look.colour} {look.clothes}"]
    if look.hat:
        tags.append(f"{look.hat_colour} {look.hat}")
    return [*tags, "glasses"] if look.glasses else tags


def _relation(scene: Scene, random: Random) -> str:
    if scene.relation in ("left of", "right of") and random.random() < 0.3:
        return "next to"
    return scene.relation


def _extras(scene: Scene, random: Random) -> list[str]:
    extras = []
    if scene.light.name != UNSAID_LIGHT or random.random() < 0.4:
        extras.append(random.choice(scene.light.words))
    if scene.weather.words:
        extras.append(random.choice(scene.weather.words))
    return extras + [word for word in _usual(scene) if random.random() < 0.5]


def _style(scene: Scene, random: Random) -> str:
    if scene.style.name == UNSAID_STYLE and random.random() < 0.6:
        return ""
    return random.choice((scene.style.words[0], *scene.style.words))


def _coloured(thing: Thing) -> str:
    return f"{thing.colour} {thing.subject.name}"


def _one(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
