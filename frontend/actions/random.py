"""`random`: a prompt for someone without an idea."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from frontend.actions.context import Call
from frontend.http.lenience import Words
from frontend.prompts import prompt as prompts
from frontend.prompts.random_prompt import random_prompt


class RandomRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="random"):
    """Makes up a prompt."""

    character: Annotated[
        str | UnsetType,
        Meta(
            description='Name of a character; `""` is nobody, and without it one is drawn at random',
            examples=["aya"],
        ),
        Words(expected="string", default="a random one", range="a name of `models`, or empty", trimmed=False),
    ] = UNSET


class RandomAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt to draw."""

    prompt: Annotated[
        str,
        Meta(
            description="In its canonical form",
            examples=["@aya waving, on the beach, bright daylight, cheerful"],
        ),
    ]


async def random(call: Call[RandomRequest]) -> RandomAnswer:
    named = call.asked.character
    character = None if named is UNSET else named
    drawn = random_prompt(call.services.grammar, call.services.catalogue.current, character)
    return RandomAnswer(prompt=prompts.format(drawn))
