"""What a prompt asks for, in the words that its writer chose."""

import msgspec

from frontend.prompts import prompt as prompts
from frontend.prompts.prompt import Prompt


class Wish(msgspec.Struct, frozen=True, array_like=True):
    positive: str  # comma-separated terms, without @character
    negatives: tuple[str, ...] = ()  # without their dashes; those of the field `negative` too


def wish(prompt: Prompt, explicit_negative: str) -> Wish:
    return Wish(", ".join(prompt.positive), prompt.negative + prompts.split(explicit_negative))
