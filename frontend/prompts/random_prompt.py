"""Random prompts, drawn from a small grammar that an operator can rewrite (random.yaml)."""

import random
import re
import unicodedata
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from frontend.catalogue.catalogue import Catalogue
from frontend.catalogue.yaml_file import read_mapping, to_struct
from frontend.common.errors import ApiError, CatalogueError
from frontend.prompts import prompt

Text = Annotated[str, Meta(min_length=1, max_length=200)]
Choices = Annotated[tuple[Text, ...], Meta(min_length=1, max_length=1_000)]  # a text may stand twice

MAX_TOLD = 64  # characters of a name that is none
_SLOT = re.compile(r"\{([a-z_]+)\}")


class Forms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    with_character: Choices
    without_character: Choices


class Grammar(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Forms of prompts, such as `{subject}, {place}, -{unwanted}`, and the lists that fill their slots."""

    forms: Forms
    lists: dict[str, Choices]


def load_grammar(path: Path) -> Grammar:
    """The grammar in a YAML file, checked to give only prompts that the API takes. Raises CatalogueError."""
    grammar = to_struct(path, read_mapping(path), Grammar)
    for key, choices in grammar.lists.items():
        for text in choices:
            _check(text, f"{path}: lists.{key}")
    for form in (*grammar.forms.with_character, *grammar.forms.without_character):
        if unknown := set(_SLOT.findall(form)) - set(grammar.lists):
            known = ", ".join(sorted(grammar.lists))
            raise CatalogueError(
                f"{path}: forms: expected slots of {known}, got {min(unknown)!r} in {form!r}"
            )
        longest = _SLOT.sub(lambda slot: max(grammar.lists[slot[1]], key=len), form)
        _check(longest, f"{path}: forms")
    return grammar


def random_prompt(
    grammar: Grammar, catalogue: Catalogue, character: str | None, rng: random.Random | None = None
) -> prompt.Prompt:
    """A prompt about `character`: None takes one at random, "" nobody. Unknown: ApiError 400."""
    rng = rng or random.SystemRandom()
    name = _character(catalogue, character, rng)
    form = rng.choice(grammar.forms.with_character if name else grammar.forms.without_character)
    text = _SLOT.sub(lambda slot: rng.choice(grammar.lists[slot[1]]), form)
    return prompt.parse(f"@{name} {text}" if name else text, catalogue.characters)


def _character(catalogue: Catalogue, asked: str | None, rng: random.Random) -> str:
    if asked is None:
        ours = sorted(catalogue.characters_of(next(iter(catalogue.models), "")))
        return rng.choice(ours) if ours else ""
    name = unicodedata.normalize("NFKC", asked).strip().removeprefix("@").lower()
    if name and name not in catalogue.characters:
        detail = prompt.which_character(name[:MAX_TOLD], catalogue.characters)
        raise ApiError(400, "Invalid character", detail=detail)
    return name


def _check(text: str, where: str) -> None:
    try:
        prompt.parse(text, ())
    except ApiError as error:
        raise CatalogueError(f"{where}: expected terms of a prompt, got {text!r}: {error.message}") from None
