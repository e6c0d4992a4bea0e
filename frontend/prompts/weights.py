"""Terms with their weights: emphasis that reaches over commas is split up and written in one form."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contract.emphasis import BREAK, MAX_WEIGHT, Piece, Pieces, parse, spell
from contract.limits import MAX_WINDOWS
from frontend.prompts.notes import Tell
from frontend.prompts.terms import END, is_negative, strip_dashes

MAX_WEIGHTED = 128
"""Pieces of one text that may weigh more or less than the others."""


@dataclass(frozen=True)
class Terms:
    """Each as contract.emphasis spells it, the refused ones without their dashes.

    BREAK stands between two windows.
    """

    wanted: tuple[str, ...]
    refused: tuple[str, ...]


def read_terms(text: str, tell: Tell) -> Terms:
    windows = [list(_terms(window)) for window in parse(text)]
    for before, after in itertools.pairwise(windows):
        if before and after and _refuses(before[-1]) and not _refuses(after[0]):
            tell("{} ends at BREAK: what follows is wished for", _text(before[-1]))
    refused = [_undashed(term) for term in itertools.chain(*windows) if _refuses(term)]
    wanted = []
    for window in windows:
        wanted.append([term for term in window if not _refuses(term)])
        for number, term in enumerate(wanted[-1]):
            below = [piece for piece in term if piece.asked < 0]
            if below:
                tell("{} is refused: a weight below 0 means that it shall not be seen", _text(below))
                refused += [(Piece(piece.text, -piece.asked),) for piece in below]
                wanted[-1][number] = _tidy(piece for piece in term if piece.asked >= 0)
    return _spelled(wanted, refused, tell)


def read_refused(text: str, tell: Tell) -> tuple[str, ...]:
    """All terms, those with a dash too."""
    windows = parse(text)
    if len(windows) > 1:
        tell("{} is read as a comma in what is refused", BREAK)
    terms = [_undashed(term) for window in windows for term in _terms(window)]
    return _spelled([], terms, tell).refused


def _spelled(windows: list[list[Pieces]], refused: list[Pieces], tell: Tell) -> Terms:
    spell_bounded = _Speller(tell)
    found = [[text for term in window if (text := spell_bounded(term))] for window in windows]
    first, *others = [window for window in found if window] or [[]]
    if len(windows) > len(others) + 1:
        tell("{} without terms on both sides is left out", BREAK)
    if len(others) >= MAX_WINDOWS:
        tell(f"{BREAK} is read as a comma from the {MAX_WINDOWS}th on")
    wanted = [*first]
    for number, window in enumerate(others, 1):
        wanted += [*([BREAK] if number < MAX_WINDOWS else []), *window]
    return Terms(tuple(wanted), tuple(filter(None, map(spell_bounded, refused))))


class _Speller:
    """Spells terms with weights within bounds, and no more than MAX_WEIGHTED of them."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._weighted = 0

    def __call__(self, term: Pieces) -> str:
        return spell(_tidy(map(self._bound, term)))

    def _bound(self, piece: Piece) -> Piece:
        if piece.weight == 1.0:
            return piece
        self._weighted += 1
        if self._weighted > MAX_WEIGHTED:
            self._tell(f"Weights after the first {MAX_WEIGHTED} are left out")
            return Piece(piece.text)
        if piece.asked > MAX_WEIGHT:
            self._tell(f"{{}} weighs {MAX_WEIGHT:g}, the most that is possible", piece.text)
        return Piece(piece.text, piece.weight)


def _terms(pieces: Pieces) -> Iterator[Pieces]:
    """Those that say something, tidy."""
    term: list[Piece] = []
    for piece in pieces:
        first, *others = END.split(piece.text)
        term.append(Piece(first, piece.asked))
        for text in others:
            yield from filter(None, [_tidy(term)])
            term = [Piece(text, piece.asked)]
    yield from filter(None, [_tidy(term)])


def _tidy(pieces: Iterable[Piece]) -> Pieces:
    """With single spaces, none of them within a bracket's edges; neighbours of one weight are one piece."""
    tidy: list[Piece] = []
    gap = False
    for piece in pieces:
        text = " ".join(piece.text.split())
        gap |= piece.text[:1].isspace()
        if not text:
            continue
        if gap and tidy:
            _add(tidy, " ", 1.0)
        _add(tidy, text, piece.asked)
        gap = piece.text[-1:].isspace()
    return tuple(tidy)


def _add(pieces: list[Piece], text: str, asked: float) -> None:
    if pieces and pieces[-1].asked == asked:
        pieces[-1] = Piece(pieces[-1].text + text, asked)
    else:
        pieces.append(Piece(text, asked))


def _text(term: Iterable[Piece]) -> str:
    return "".join(piece.text for piece in term)


def _refuses(term: Pieces) -> bool:
    return is_negative(_text(term))


def _undashed(term: Pieces) -> Pieces:
    """Without the dashes that it begins with; a weight below 0 refuses once more, which is no wish."""
    pieces = [Piece(piece.text, abs(piece.asked)) for piece in term]
    while pieces and not (text := strip_dashes(pieces[0].text)):
        del pieces[0]
    return _tidy([Piece(text, pieces[0].asked), *pieces[1:]]) if pieces else ()
