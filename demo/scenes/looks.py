"""How a person looks: drawn at random for the base model, fixed for the four characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from demo.scenes.palette import Colour, rgb

KINDS = ("woman", "man")  # adults only: studios of every kind use this server
HAIR_COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "black": rgb("2e2a3a"),
        "brown": rgb("7a4a2b"),
        "blond": rgb("f2cc6b"),
        "red": rgb("c8502c"),
        "white": rgb("ece8ef"),
        "pink": rgb("ef86b5"),
        "blue": rgb("3f78cf"),
    }
)
HAIR_CUTS = ("long", "short", "curly", "bun", "ponytail")
CLOTHES = ("dress", "shirt", "jumper", "coat")
HATS = ("", "", "", "hat", "cap", "bow")
SKINS = (rgb("ffe0c8"), rgb("f6c9a2"), rgb("d99f73"), rgb("a86f4a"), rgb("7c4e35"))
CLOTHES_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")


@dataclass(frozen=True)
class Look:
    kind: str
    skin: Colour
    hair: str
    cut: str
    clothes: str
    colour: str
    hat: str = ""
    hat_colour: str = "red"
    glasses: bool = False
    mark: str = ""
    """What only a character wears, large enough to know them by; see people.py."""


CHARACTERS: Mapping[str, Look] = MappingProxyType(
    {
        "aya": Look("woman", SKINS[1], "black", "long", "dress", "red", "big bow", "yellow", mark="hem"),
        "bella": Look("woman", SKINS[3], "brown", "curly", "coat", "green", "", "red", True, mark="scarf"),
        "mira": Look("woman", SKINS[0], "pink", "buns", "jumper", "purple", "", "white", mark="stripes"),
        "tomo": Look("man", SKINS[1], "blue", "spikes", "shirt", "orange", "cap", "green", mark="dungarees"),
    }
)


def any_look(random: Random) -> Look:
    kind = random.choice(KINDS)
    man = kind == "man"
    return Look(
        kind=kind,
        skin=random.choice(SKINS),
        hair=random.choice(tuple(HAIR_COLOURS)),
        cut=random.choice(("short", "curly") if man else HAIR_CUTS),
        clothes=random.choice(CLOTHES[1:] if man else CLOTHES),
        colour=random.choice(CLOTHES_COLOURS),
        hat=random.choice(HATS[:-1] if man else HATS),
        hat_colour=random.choice(("red", "yellow", "green", "blue", "purple")),
        glasses=random.random() < 0.15,
    )
