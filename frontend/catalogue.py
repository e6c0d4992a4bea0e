"""Models, styles and characters: what an operator declares in YAML, one file for each model and character."""

import re
from typing import Annotated

import msgspec
from msgspec import Meta

NAME = re.compile(r"[a-z0-9_-]{1,32}")
MAX_FILE_BYTES = 262_144
MAX_FILES = 2_000

Label = Annotated[str, Meta(min_length=1, max_length=100)]
Terms = Annotated[str, Meta(max_length=4_000)]
Rights = Annotated[str, Meta(pattern=r"^(fictional|consent:\S{1,200})$")]


class CatalogueError(Exception):
    """One line that names the file, the key, and what was expected there."""


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A look that a client chooses; both texts are comma-separated terms."""

    name: str  # its key in the model's file
    label: Label
    positive: Terms = ""
    negative: Terms = ""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name
    label: Label
    order: int = 100  # the model with the lowest one is the default
    default_style: str
    steps: Annotated[int, Meta(ge=1, le=150)]
    guidance: Annotated[float, Meta(ge=0, le=30)]
    negative: Terms = ""  # the base negatives
    quality: Terms = ""  # quality tags, after the style's own terms
    styles: dict[str, Style]

    def style(self, name: object) -> Style:
        """The style of that name, or else the default one."""
        found = self.styles.get(name) if isinstance(name, str) else None
        return found or self.styles[self.default_style]


class Character(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str  # its file's name; clients write @name
    label: Label
    models: Annotated[tuple[str, ...], Meta(min_length=1)]  # the models that have weights for it
    trigger: Annotated[str, Meta(min_length=1, max_length=200)]  # the words that its LoRA was trained on
    positive: Terms = ""
    negative: Terms = ""
    lora: Annotated[str, Meta(min_length=1, max_length=500)]  # path, relative to the catalogue's folder
    rights: Rights  # no character without a statement of rights
