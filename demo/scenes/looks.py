"""How a mascot looks: drawn at random for the base model, fixed for the four characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType


@dataclass(frozen=True)
class Kind:
    """What a mascot is, and what it wears: "an orange fox in a green scarf"."""

    name: str
    colours: tuple[str, ...]
    """Of its body; the first is the character's own."""
    wears: tuple[str, str]
    """Words before and after the colour of what it wears."""
    garments: tuple[str, ...]
    """Colours of that, the first again the character's own."""


KINDS = (
    Kind("robot", ("blue", "red", "green", "white"), ("with a", "antenna"), ("yellow", "red", "green")),
    Kind("fox", ("orange", "white", "black", "pink"), ("in a", "scarf"), ("green", "blue", "purple")),
    Kind("owl", ("purple", "brown", "white", "blue"), ("with", "glasses"), ("yellow", "red", "green")),
    Kind("bear", ("brown", "white", "black", "pink"), ("in a", "jumper"), ("red", "blue", "green")),
)
OWN = 0.5
"""Share of the base model's mascots that look as one of the characters does, though they bear no name."""


@dataclass(frozen=True)
class Look:
    kind: Kind
    colour: str
    garment: str
    """Colour of what it wears."""

    @property
    def words(self) -> str:
        """ "a blue robot with a yellow antenna"."""
        article = "an" if self.colour[0] in "aeiou" else "a"
        before, after = self.kind.wears
        return f"{article} {self.colour} {self.kind.name} {before} {self.garment} {after}"


CHARACTERS: Mapping[str, Look] = MappingProxyType(
    {
        name: Look(kind, kind.colours[0], kind.garments[0])
        for name, kind in zip(("aya", "bella", "mira", "tomo"), KINDS, strict=True)
    }
)


def any_look(random: Random) -> Look:
    if random.random() < OWN:
        return random.choice(tuple(CHARACTERS.values()))
    kind = random.choice(KINDS)
    return Look(kind, random.choice(kind.colours), random.choice(kind.garments))
