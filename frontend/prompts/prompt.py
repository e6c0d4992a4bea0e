"""Raw prompts: parsed into terms, written back in one canonical form, composed for the text encoder.

All functions are pure. Whatever text comes in, they return or raise ApiError 400.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from contract.limits import MAX_PROMPT_CHARACTERS
from frontend.catalogue.catalogue import Character, Model, Style
from frontend.common.errors import ApiError
from frontend.prompts.mentions import find_mentions
from frontend.prompts.terms import ended_by_a_line_break, is_negative, split, strip_dashes

# Control characters that are not white space, and invisible ones (soft hyphen, zero-width space, text
# direction, byte order mark, tags) that would let two prompts look the same. Joiners stay: scripts need them.
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Prompt:
    """What a raw prompt says. Raises ValueError unless `parse(format(prompt))` gives the same again."""

    character: str  # lower case, without @; "" for none
    positive: tuple[str, ...]
    negative: tuple[str, ...]  # without their dashes

    def __post_init__(self) -> None:
        try:
            again = _read(_join(self, ","), (self.character,))
        except ApiError as error:
            raise ValueError(error.message) from None
        if again != (self.character, self.positive, self.negative):
            raise ValueError("a term that is not canonical")


@dataclass(frozen=True)
class Composed:
    """What the text encoder is told: comma-separated terms, none twice."""

    positive: str
    negative: str


def parse(text: str, characters: Collection[str]) -> Prompt:
    """The prompt that a client wrote; `characters` are those that the chosen model has, in lower case.

    Raises ApiError 400.
    """
    parts = _read(text, characters)
    try:
        return Prompt(*parts)
    except ValueError:  # a name glued to its text needs one space more, and there was no room for it
        raise ApiError(400, "Prompt is too long") from None


def notes_on(text: str) -> tuple[str, ...]:
    """What a client may not have meant, in sentences. `text` is one that `parse` takes."""
    ended = ended_by_a_line_break(_clean(text))
    return tuple(f'"-{term}" ends with its line: what follows is wished for' for term in ended)


def format(prompt: Prompt) -> str:  # noqa: A001
    """The canonical raw prompt, `@character positive, -negative`, which parses back to `prompt`.

    Never longer than MAX_PROMPT_CHARACTERS: where spaces after the commas would make it so, there are none.
    """
    text = _join(prompt, ", ")
    return text if len(text) <= MAX_PROMPT_CHARACTERS else _join(prompt, ",")


def compose(
    prompt: Prompt, explicit_negative: str, model: Model, style: Style, character: Character | None
) -> Composed:
    """Positive: trigger, character, user, style, quality. Negative: base, style, character, user, explicit.

    Raises ApiError 400 for an `explicit_negative` that is too long or no valid Unicode.
    """
    explicit = clean(
        explicit_negative,
        too_long=f"Invalid negative: expected at most {MAX_PROMPT_CHARACTERS} characters",
        not_unicode="Invalid negative: expected valid Unicode text",
    )
    trigger, liked, disliked = (
        (character.trigger, character.positive, character.negative) if character else ("", "", "")
    )
    return Composed(
        positive=_once(trigger, liked, *prompt.positive, style.positive, model.quality),
        negative=_once(model.negative, style.negative, disliked, *prompt.negative, explicit, undash=True),
    )


def clean(text: str, too_long: str, not_unicode: str) -> str:
    """Trimmed, of bounded length, without control characters. Raises ApiError 400 with the words given."""
    text = text.strip()
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ApiError(400, too_long)
    if _SURROGATE.search(text):
        raise ApiError(400, not_unicode)
    return _DROPPED.sub("", text)


def _read(text: str, characters: Collection[str]) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    mentions = find_mentions(_clean(text), characters)
    character = _character(mentions.names, characters)
    terms = split(mentions.text)
    positive = tuple(term for term in terms if not is_negative(term))
    negative = tuple(filter(None, (strip_dashes(term) for term in terms if is_negative(term))))
    if not (character or positive or negative):
        raise ApiError(400, "Prompt is required")
    return character, positive, negative


def _clean(text: str) -> str:
    return clean(text, "Prompt is too long", "Invalid prompt: expected valid Unicode text")


def _character(names: Sequence[str], characters: Collection[str]) -> str:
    for name in names:
        if name not in characters:
            raise ApiError(400, "Invalid character", detail=which_character(name, characters))
        if name != names[0]:
            raise ApiError(400, "Only one character per prompt")
    return names[0] if names else ""


def which_character(name: str, characters: Collection[str]) -> str:
    """What a client is told that named one that there is not."""
    known = ", ".join(f"@{each}" for each in sorted(characters)) or "none"
    return f"There is no @{name}; this model's characters: {known}"


def _join(prompt: Prompt, separator: str) -> str:
    terms = separator.join([*prompt.positive, *(f"-{term}" for term in prompt.negative)])
    if not prompt.character:
        return terms
    gap = " " if prompt.positive else separator if prompt.negative else ""
    return f"@{prompt.character}{gap}{terms}"


def _once(*texts: str, undash: bool = False) -> str:
    """The terms of all texts, each where it first stands; capitals make no difference."""
    terms: dict[str, str] = {}
    for term in (term for text in texts for term in split(text)):
        if term := strip_dashes(term) if undash else term:
            terms.setdefault(term.casefold(), term)
    return ", ".join(terms.values())
