"""What a picture shows, as the numbers that a classifier learns; taken from the generator's own scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from demo.scenes.looks import CHARACTERS, KINDS
from demo.scenes.palette import NAMED
from demo.scenes.scene import Choice, Mascot, Scene

NOBODY = "nobody"
"""A mascot that looks as none of the characters does. Of a thing it makes no sense to ask: were it nobody,
three of four pictures would be, and a judge in doubt would say so."""
_NAMES = {look: name for name, look in CHARACTERS.items()}
"""A mascot without a name that looks like a character cannot be told from it."""
ONE_OF_FOUR = "character_of_four"
"""Which of the four characters it is, "nobody" not being an answer."""
IGNORED = -100
"""A question that makes no sense for a picture, as `torch.nn.functional.cross_entropy` has it."""


def answers(choice: Choice) -> Mapping[str, Sequence[str]]:
    """The questions about a picture and their possible answers, in order."""
    return MappingProxyType(
        {
            "subject": (*(subject.name for subject in choice.subjects), *(kind.name for kind in KINDS)),
            "object_colour": tuple(NAMED),
            "setting": tuple(place.name for place in choice.places),
            "style": tuple(style.name for style in choice.styles),
            "character": (*CHARACTERS, NOBODY),
            "detail": ("without", "with"),
            "clouds": ("without", "with"),
        }
    )


def label(scene: Scene, choice: Choice) -> dict[str, int]:
    main = scene.main
    said = {
        "setting": scene.place.name,
        "style": scene.style.name,
        "detail": ("without", "with")[scene.detail],
    }
    if isinstance(main, Mascot):
        said |= {"subject": main.look.kind.name, "character": _NAMES.get(main.look, NOBODY)}
    elif main is not None:
        said |= {"subject": main.subject.name, "object_colour": main.colour}
    if not scene.place.indoor:
        said["clouds"] = ("without", "with")[scene.clouds]
    return {
        question: possible.index(said[question]) if question in said else IGNORED
        for question, possible in answers(choice).items()
    }
