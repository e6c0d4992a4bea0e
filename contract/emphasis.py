r"""Emphasis in a prompt: how much each piece of it weighs, and where a window of tokens begins.

The API server writes prompts in this grammar, text_to_image weighs by it. As in AUTOMATIC1111's web UI, `(x)`
weighs 1.1, `[x]` 1/1.1, `(x:1.3)` 1.3, nested brackets multiply, and `BREAK` begins a window. Plain text are
brackets that are glued to a word (`saber_(fate)`), stand in quotes, make a face (`:)`), have no partner or
follow a backslash.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

MIN_WEIGHT, MAX_WEIGHT = 0.0, 2.0
BREAK = "BREAK"
# Also full-width, ideographic, Arabic, Ethiopic and Armenian; half-width, small and vertical forms.
COMMAS = ",\uff0c\u3001\u060c\u1363\u055d\uff64\ufe10\ufe11\ufe50\ufe51"
LINE_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
# What keyboards and word processors put for a dash: hyphens, figure, en and em dash, bar, minus, and the
# small and full-width forms.
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"

_PER_PAIR = {")": 1.1, "]": 1 / 1.1}
_OPENING = {")": "(", "]": "["}
_MAX_ASKED = 1e6
_DIGITS = 4  # behind the point of a weight

_ENDS = COMMAS + LINE_BREAKS
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?i:nan|inf)"
_QUOTED = "|".join(
    rf"(?<![\w\\]){first}[^{first}{last}{_ENDS}]*{last}(?!\w)"
    for first, last in ('""', "“”", "«»", "「」", "『』")
)
# `:)`, `;-(`, `>:[`, `(:`, and `(^_^)`, `(T_T)`, `\(^o^)/`; not `(-x)`, which refuses x.
_MARK = r"[^\w\s():,\\]?"
_FACE = (
    rf"(?<![^{DASHES}\s{_ENDS}])(?:[>}}]?[:;=][-'^o~]?(?P<mouth>[()\[\]{{}}<>|/\\*$@3DPp])(?P=mouth){{0,2}}"
    rf"|(?P<chin>[()\[\]])(?P=chin){{0,2}}[-'^o~]?[:;=]"
    rf"|\\?\((?![{DASHES}][^\W_]){_MARK}\w?{_MARK}[_.^\u03c9\u0434-]{_MARK}\w?{_MARK}\)/?)(?![^\s{_ENDS}])"
)
_ESCAPED = r"\\[()\[\]\\]"
LITERAL = re.compile(f"{_FACE}|{_ESCAPED}|{_QUOTED}")
"""What no sign within has a meaning of its own."""
_TOKEN = re.compile(
    rf"(?P<FACE>{_FACE})|(?P<ESCAPED>{_ESCAPED})|(?P<QUOTED>{_QUOTED})|(?P<OPEN>[(\[])"
    # ` :3)` ends with a face
    rf"|(?P<CLOSE>(?!(?<=\s):[03]\)):\s{{0,8}}(?P<number>{_NUMBER})\s{{0,8}}\)|[)\]])"
    rf"|(?P<BREAK>(?<![^\s()\[\]{_ENDS}]){BREAK}(?![^\s()\[\]{_ENDS}]))"
)
_SIGN = re.compile(rf"[()\[\]\\]|{BREAK}")
_ESCAPE = re.compile(r"\\([()\[\]\\])")
_TO_ESCAPE = re.compile(r"[()\[\]]|\\(?=[()\[\]\\]|\Z)")
_BACKSLASHES = re.compile(r"\\(?=[()\[\]\\])")
_RATIO = re.compile(r"(?<![\w.-])[0-9]{1,6}\Z")


@dataclass(frozen=True)
class Piece:
    """`text` has no signs left. `asked` is finite; it may be out of bounds, also below 0."""

    text: str
    asked: float = 1.0

    @property
    def weight(self) -> float:
        return min(max(self.asked, MIN_WEIGHT), MAX_WEIGHT)


Pieces = tuple[Piece, ...]


class Sign(Enum):
    TEXT = auto()
    FACE = auto()
    ESCAPED = auto()
    QUOTED = auto()
    OPEN = auto()
    CLOSE = auto()
    BREAK = auto()
    GLUED = auto()  # a bracket of a pair that touches a word
    LONE = auto()  # a bracket without a partner


_SIGNS = {sign.name: sign for sign in Sign}


class SignedText(NamedTuple):  # a prompt of brackets has thousands
    sign: Sign
    start: int
    text: str
    factor: float = 1.0  # of OPEN: what the pair multiplies by
    number: str = ""  # of CLOSE: the weight that is written there

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def parse(text: str) -> tuple[Pieces, ...]:
    """The windows that the text begins, one at least. Neighbours of one weight are one piece."""
    windows: list[list[Piece]] = [[]]
    weights = [1.0]
    for token in tokens(text):
        match token.sign:
            case Sign.OPEN:
                weights.append(min(max(weights[-1] * token.factor, -_MAX_ASKED), _MAX_ASKED))
            case Sign.CLOSE:
                weights.pop()
            case Sign.BREAK:
                windows.append([])
            case Sign.ESCAPED | Sign.QUOTED:
                _add(windows[-1], _ESCAPE.sub(r"\1", token.text), weights[-1])
            case _:
                _add(windows[-1], token.text, weights[-1])
    return tuple(tuple(pieces) for pieces in windows)


def plain(text: str) -> str:
    """What the text says, without the signs."""
    return " ".join("".join(piece.text for piece in pieces) for pieces in parse(text))


def is_weighted(text: str) -> bool:
    return any(piece.weight != 1.0 for pieces in parse(text) for piece in pieces)


def spell(pieces: Sequence[Piece]) -> str:
    """How one term is written, so that `parse` reads these pieces again, whatever stands beside it.

    A term has no commas and no line breaks. A word BREAK that is text is written in another case.
    """
    text = "".join(_with_weight(piece, "".join(map(_spell_token, tokens(piece.text)))) for piece in pieces)
    if parse(text) == (tuple(pieces),) and not any(token.sign is Sign.LONE for token in tokens(text)):
        return text
    return "".join(_with_weight(piece, _escape(piece.text)) for piece in pieces)  # every sign in a piece


def tokens(text: str) -> list[SignedText]:
    """All of the text, in order; OPEN and CLOSE come in pairs, one within the other."""
    if not _SIGN.search(text):
        return [SignedText(Sign.TEXT, 0, text)] if text else []
    found = list(_scan(text))
    partners = _partners(found)
    for number, token in enumerate(found):
        if token.sign in (Sign.OPEN, Sign.CLOSE) and number not in partners:
            found[number] = token._replace(sign=Sign.LONE)
    for first, last in partners.items():
        if first < last:
            opening, closing = found[first], found[last]
            if not closing.number and (_in_word(text, opening.start - 1) or _in_word(text, closing.end)):
                found[first], found[last] = (one._replace(sign=Sign.GLUED) for one in (opening, closing))
            else:
                found[first] = opening._replace(factor=_factor(closing))
    return found


def _scan(text: str) -> Iterator[SignedText]:
    at = 0
    for match in _TOKEN.finditer(text):
        start, number = match.start(), match["number"] or ""
        if number.isdigit() and _RATIO.search(text, max(at, start - 8), start):
            start, number = match.end() - 1, ""  # (16:9) is not 9 times 16
        if start > at:
            yield SignedText(Sign.TEXT, at, text[at:start])
        at = match.end()
        yield SignedText(_SIGNS[str(match.lastgroup)], start, text[start:at], number=number)
    if at < len(text):
        yield SignedText(Sign.TEXT, at, text[at:])


def _partners(found: Sequence[SignedText]) -> dict[int, int]:
    """Of each bracket that has one, by their places."""
    partners: dict[int, int] = {}
    stacks: dict[str, list[int]] = {"(": [], "[": []}
    for number, token in enumerate(found):
        if token.sign is Sign.OPEN:
            stacks[token.text].append(number)
        elif token.sign is Sign.CLOSE and (own := stacks[_OPENING[token.text[-1]]]):
            first = own.pop()
            partners |= {first: number, number: first}
            for stack in stacks.values():  # what stands open within has no partner
                while stack and stack[-1] > first:
                    stack.pop()
    return partners


def _factor(closing: SignedText) -> float:
    if not closing.number:
        return _PER_PAIR[closing.text]
    asked = float(closing.number.replace(",", "."))
    return min(max(asked, -_MAX_ASKED), _MAX_ASKED) if asked == asked else 1.0  # NaN is not itself


def _in_word(text: str, at: int) -> bool:
    return 0 <= at < len(text) and (text[at].isalnum() or text[at] == "_")


def _add(pieces: list[Piece], text: str, asked: float) -> None:
    asked = round(asked, _DIGITS) + 0.0  # -0.0 is 0.0
    if pieces and pieces[-1].asked == asked:
        pieces[-1] = Piece(pieces[-1].text + text, asked)
    else:
        pieces.append(Piece(text, asked))


def _spell_token(token: SignedText) -> str:
    match token.sign:
        case Sign.TEXT | Sign.FACE | Sign.GLUED:
            return token.text
        case Sign.QUOTED:
            return _BACKSLASHES.sub(r"\\\\", token.text)
        case _:
            return _escape(token.text)


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub(r"\\\g<0>", text).replace(BREAK, BREAK.capitalize())


def _with_weight(piece: Piece, spelled: str) -> str:
    if piece.weight == 1.0:
        return spelled
    weight = f"{piece.weight:.{_DIGITS}f}".rstrip("0")
    return f"({spelled}:{weight if spelled[-1:].isdigit() else weight.rstrip('.')})"  # (16:2.) is no ratio
