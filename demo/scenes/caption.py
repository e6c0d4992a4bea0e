"""Says what a scene shows, as a sentence or as comma tags.

Unsaid things have one meaning each (storybook style, daylight, clear weather, a meadow, the first of a
thing's colours), so that a short prompt gives a settled picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from demo.scenes.fillers import MOODS, THINGS, filler
from demo.scenes.looks import CHARACTERS
from demo.scenes.mascots import ACTIVITIES
from demo.scenes.scene import Mascot, Scene, Thing
from demo.scenes.styles import USUAL_STYLE

SOMEBODY = ("somebody", "a mascot", "a character", "a woman", "a man", "a person", "a friend", "someone")
"""Nobody in particular: any mascot. There are no people in these pictures, whoever a prompt asks for."""
STRANGERS, WORN = 0.08, 0.45
"""Share of captions of mascots without a name that say SOMEBODY; with those, that say all that
it shows."""
COLOURLESS, PLACE_FIRST = 0.4, 0.2
"""Shares of captions that are silent about a usual colour, and that begin with the place."""
NUMBERS = {1: "one", 2: "two", 3: "three"}
UNSAID_LIGHT, UNSAID_PLACE = "day", "meadow"
PLACELESS = 0.3
"""Share of captions of pictures of UNSAID_PLACE that leave the place open, as people's prompts do."""
FILLED = 0.2
"""Share of captions with words that mean nothing here."""
UNKNOWN = 0.5
"""Share of captions of a place alone that name something which cannot be drawn."""
BESIDE = 0.5
"""Share of captions with something on the left that do not say so: unsaid, that is its side."""


def caption(scene: Scene, random: Random) -> str:
    placed = scene.place.name != UNSAID_PLACE or random.random() >= PLACELESS
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
    """One or two things that the picture shows, said alone: what a negative prompt names. What most pictures
    show has a training of its own (training/negation.py)."""
    things = [
        _one(f"{thing.colour} {thing.subject.name}")
        for thing in (scene.main, scene.other)
        if isinstance(thing, Thing)
    ]
    named = [*things, random.choice(scene.place.words), scene.style.words[0]]
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


def _sentence(scene: Scene, random: Random, placed: bool) -> str:
    if scene.main is None:
        return _landscape(scene, random, placed)
    words = _noun(scene.main, scene.count, random)
    if scene.other is not None:
        words += f" {_relation(scene, random)} {_one(_coloured(scene.other, random))}"
    if not placed:
        return words
    place = random.choice(scene.place.words)
    return f"{place}, {words}" if random.random() < PLACE_FIRST else f"{words} {place}"


def _tags(scene: Scene, random: Random, placed: bool) -> str:
    main = scene.main
    if main is None:
        return _landscape(scene, random, placed)
    if isinstance(main, Mascot):
        tags = [_who(main, random), random.choice(ACTIVITIES[main.activity])]
    elif scene.count > 1:
        tags = [f"{NUMBERS[scene.count]} {_coloured(main, random, plural=True)}"]
    else:
        tags = [_coloured(main, random)]
    if scene.other is not None:
        tags.append(f"{_relation(scene, random)} {_one(_coloured(scene.other, random))}")
    place = random.choice(scene.place.words)
    if random.random() < 0.5:
        place = bare(place)
    if not placed:
        return ", ".join(tags)
    return ", ".join([place, *tags] if random.random() < PLACE_FIRST else [*tags, place])


def _landscape(scene: Scene, random: Random, placed: bool) -> str:
    """A place alone; or, as if it were there, with something that cannot be drawn: what a prompt about such
    a thing gets."""
    place = random.choice(scene.place.words)
    if random.random() < UNKNOWN:
        thing = _one(random.choice(THINGS))
        return f"{thing} {place}" if placed else thing
    if not placed:
        return random.choice(("a landscape", "scenery", "nothing"))
    name, mood = bare(place), random.choice(MOODS)
    forms = (name, f"the {name}", _one(name), _one(f"{mood} {name}"), f"{name} landscape", f"nobody {place}")
    return random.choice(forms)


def bare(place: str) -> str:
    """ "in the forest" to "forest"."""
    return " ".join(word for word in place.split(" ") if word not in ("on", "in", "at", "by", "the", "a"))


def _noun(main: Thing | Mascot, count: int, random: Random) -> str:
    if isinstance(main, Thing):
        if count > 1:
            return f"{NUMBERS[count]} {_coloured(main, random, plural=True)}"
        return _one(_coloured(main, random))
    return f"{_who(main, random)}{random.choice((' ', ', '))}{random.choice(ACTIVITIES[main.activity])}"


def _who(mascot: Mascot, random: Random) -> str:
    """By all that it shows, its body alone, or as whoever a prompt is about; a character by its name too."""
    said, look = random.random(), mascot.look
    if mascot.name:
        return f"{mascot.name}, {look.words}"
    if said < STRANGERS:
        return random.choice(SOMEBODY)
    if said < WORN:
        return look.words
    if look in CHARACTERS.values() and random.random() < COLOURLESS:
        return _one(look.kind.name)
    return _one(f"{look.colour} {look.kind.name}")


def _relation(scene: Scene, random: Random) -> str:
    if scene.relation == "left of" and random.random() < BESIDE:
        return random.choice(("next to", "beside", "and"))
    return scene.relation


def _extras(scene: Scene, random: Random) -> list[str]:
    extras = []
    if scene.light.name != UNSAID_LIGHT or random.random() < 0.4:
        extras.append(random.choice(scene.light.words))
    if scene.weather.words:
        extras.append(random.choice(scene.weather.words))
    return extras + [word for word in _usual(scene) if random.random() < 0.5]


def _style(scene: Scene, random: Random) -> str:
    if scene.style == USUAL_STYLE and random.random() < 0.6:
        return ""
    return random.choice((scene.style.words[0], *scene.style.words))


def _coloured(thing: Thing, random: Random, plural: bool = False) -> str:
    noun = thing.subject.plural if plural else thing.subject.name
    return noun if _unsaid(thing.colour, thing.subject.colours, random) else f"{thing.colour} {noun}"


def _unsaid(colour: str, colours: Sequence[str], random: Random) -> bool:
    """Whether a caption is silent about a colour: at times about the first that a thing may have."""
    return colour == colours[0] and random.random() < COLOURLESS


def _one(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
