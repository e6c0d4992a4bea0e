"""What a prompt asks for, in the words that its writer chose."""

import msgspec


class PromptIntent(msgspec.Struct, frozen=True, array_like=True):
    positive: str  # comma-separated terms, without @character
    negatives: tuple[str, ...] = ()  # without their dashes; those of the field `negative` too
