"""Raw prompts: parsed into terms, written back in one canonical form, composed for the text encoder.

All functions are pure. Whatever text comes in, they return or raise ApiError 400.
"""

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from contract.emphasis import BREAK, LINE_BREAKS, is_weighted, plain
from contract.limits import MAX_PROMPT_CHARACTERS
from frontend.catalogue.catalogue import Character, Model, Style
from frontend.common.errors import ApiError
from frontend.prompts.beginnings import begin_terms, tell_of_text, without_blanks
from frontend.prompts.dialects import translate
from frontend.prompts.mentions import find_mentions, without_at
from frontend.prompts.notes import Notes, Tell
from frontend.prompts.pasted import read_pasted
from frontend.prompts.terms import ended_by_a_line_break
from frontend.prompts.weights import Terms, read_refused, read_terms

MAX_READINGS = 8
"""Of a prompt that reads differently once it is written in canonical form."""
MAX_DECLARED = 1_000  # texts of the catalogue whose terms are remembered

# Control characters that are not white space, and invisible ones (soft hyphen, zero-width space, text
# direction, byte order mark, tags) that would let two prompts look the same. Joiners stay: scripts need them.
_DROPPED = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\U000e0000-\U000e007f]"
)
_IN_FULL = f"Written in full, with a weight at each term, it has more than {MAX_PROMPT_CHARACTERS} characters"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAK = re.compile(f"\r\n|[{LINE_BREAKS}]")


_Parts = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Character, positive and negative terms, as in Prompt."""


class _ReadsDifferently(ValueError):
    def __init__(self, parts: _Parts, notes: Notes) -> None:
        """`parts`: what it reads as."""
        super().__init__("a term that is not canonical")
        self.parts, self.notes = parts, notes


@dataclass(frozen=True)
class Prompt:
    """What a raw prompt says. Raises ValueError unless `parse(format(prompt))` gives the same again.

    Terms are spelled by contract.emphasis: their weights are part of them. `positive` may hold BREAK.
    """

    character: str  # lower case, without @; "" for none
    positive: tuple[str, ...]
    negative: tuple[str, ...]  # without their dashes

    def __post_init__(self) -> None:
        notes = Notes()
        try:
            again = _read(format(self), (self.character,), notes)
        except ApiError as error:
            raise ValueError(error.message) from None
        if again != (self.character, self.positive, self.negative):
            raise _ReadsDifferently(again, notes)


@dataclass(frozen=True)
class Composed:
    """What the text encoder is told: comma-separated terms, none twice."""

    positive: str
    negative: str


@dataclass(frozen=True)
class Reading:
    prompt: Prompt
    refused: tuple[str, ...]  # the terms of the field `negative`
    notes: tuple[str, ...]  # what a client may not have meant, in sentences


def read(text: str, characters: Collection[str], explicit_negative: str = "") -> Reading:
    """The prompt that a client wrote; `characters` are those that the chosen model has, in lower case.

    Raises ApiError 400.
    """
    notes = Notes()
    parts = _read(text, characters, notes)
    for _ in range(MAX_READINGS):
        try:
            prompt = Prompt(*parts)
        except _ReadsDifferently as found:
            parts = found.parts
            notes.add(found.notes)
        except ValueError:
            parts = _read_in_full(parts, characters, notes)
        else:
            refused = refusals(explicit_negative, notes.tell)
            return Reading(prompt, refused, notes.told())
    raise ApiError(400, "Prompt is too long", detail=_IN_FULL)


def _read_in_full(parts: _Parts, characters: Collection[str], notes: Notes) -> _Parts:
    """What is written in full is longer, and may name other characters. Raises ApiError 400."""
    try:
        return _read(_format(*parts), characters, notes)
    except ApiError as error:
        raise ApiError(error.status, error.message, detail=_IN_FULL) from None


def parse(text: str, characters: Collection[str]) -> Prompt:
    return read(text, characters).prompt


def format(prompt: Prompt) -> str:  # noqa: A001
    """The canonical raw prompt, `@character positive, -negative`, which parses back to `prompt`.

    Never longer than MAX_PROMPT_CHARACTERS: where spaces after the commas would make it so, there are none.
    """
    return _format(prompt.character, prompt.positive, prompt.negative)


def refusals(explicit_negative: str, tell: Tell) -> tuple[str, ...]:
    """The terms of the field `negative`. Raises ApiError 400 where it is too long or no valid Unicode."""
    too_long = f"Invalid negative: expected at most {MAX_PROMPT_CHARACTERS} characters"
    text = clean(explicit_negative, too_long, "Invalid negative: expected valid Unicode text")
    pasted = read_pasted(text, tell)
    terms = (*_refused(pasted.positive, tell), *_refused(pasted.negative, tell))
    if len(", ".join(terms)) > MAX_PROMPT_CHARACTERS * 3 // 2:  # thousands of brackets that are text
        raise ApiError(400, too_long)
    return terms


def compose(
    prompt: Prompt,
    refused: tuple[str, ...],
    model: Model,
    style: Style,
    character: Character | None,
) -> Composed:
    """Positive: trigger, character, user, style, quality. Negative: base, style, character, user, `refused`,
    which are the terms of the field `negative`."""
    trigger, liked, disliked = (
        (character.trigger, character.positive, character.negative) if character else ("", "", "")
    )
    before = _declared(f"{trigger}, {liked}")
    after = _declared(f"{style.positive}, {model.quality}")
    base = (term for text in (model.negative, style.negative, disliked) for term in _declared_refused(text))
    return Composed(
        positive=_once([*before.wanted, *prompt.positive, *after.wanted]),
        negative=_once([*base, *before.refused, *after.refused, *prompt.negative, *refused]),
    )


@functools.lru_cache(MAX_DECLARED)
def _declared(text: str) -> Terms:
    return read_terms(text, Notes().tell)


@functools.lru_cache(MAX_DECLARED)
def _declared_refused(text: str) -> tuple[str, ...]:
    return read_refused(text, Notes().tell)


def clean(text: str, too_long: str, not_unicode: str) -> str:
    """Trimmed, of bounded length, without control characters; all line breaks are `\\n`.

    Raises ApiError 400 with the words given.
    """
    text = text.strip()
    if len(text) > MAX_PROMPT_CHARACTERS:
        raise ApiError(400, too_long)
    if _SURROGATE.search(text):
        raise ApiError(400, not_unicode)
    return _LINE_BREAK.sub("\n", without_blanks(_DROPPED.sub("", text)))


def _read(text: str, characters: Collection[str], notes: Notes) -> _Parts:
    tell = notes.tell
    pasted = read_pasted(_clean(text), tell)
    translation = translate(begin_terms(pasted.positive), tell)
    mentions = find_mentions(translation.text, characters)
    if mentions.weighted:
        tell("A weight of {} has no meaning and is left out", f"@{mentions.names[0]}")
    character = _character(mentions.names, characters)
    tell_of_text(mentions.text, tell)
    for term in ended_by_a_line_break(mentions.text):
        tell("{} ends with its line: what follows is wished for", f"-{term}")
    terms = read_terms(mentions.text, tell)
    others = (term for each in (*translation.refused, pasted.negative) for term in _refused(each, tell))
    negative = (*terms.refused, *map(without_at, others))
    if not (character or terms.wanted or negative):
        raise ApiError(400, "Prompt is required", detail=next(iter(notes.told()), ""))
    return character, terms.wanted, negative


def _refused(text: str, tell: Tell) -> tuple[str, ...]:
    """All terms of a text that says only what shall not be seen."""
    translation = translate(text, tell)
    return tuple(
        term for each in (translation.text, *translation.refused) for term in read_refused(each, tell)
    )


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


def _format(character: str, positive: Sequence[str], negative: Sequence[str]) -> str:
    text = _join(character, positive, negative, ", ")
    return text if len(text) <= MAX_PROMPT_CHARACTERS else _join(character, positive, negative, ",")


def _join(character: str, positive: Sequence[str], negative: Sequence[str], separator: str) -> str:
    wanted = _in_windows(positive, separator)
    terms = separator.join([*filter(None, [wanted]), *(f"-{term}" for term in negative)])
    gap = " " if wanted else separator if negative else ""
    return f"@{character}{gap}{terms}" if character else terms


def _in_windows(terms: Iterable[str], separator: str) -> str:
    windows = (
        separator.join(window)
        for is_break, window in itertools.groupby(terms, lambda term: term == BREAK)
        if not is_break
    )
    return f" {BREAK} ".join(windows)


def _once(terms: Iterable[str]) -> str:
    """Each term where it first stands, in its first spelling with weights; capitals make no difference."""
    kept: dict[str, str] = {}
    for number, term in enumerate(terms):
        said = f"{BREAK} {number}" if term == BREAK else plain(term).casefold()
        if said not in kept or (is_weighted(term) and not is_weighted(kept[said])):
            kept[said] = term
    return _in_windows(kept.values(), ", ")
