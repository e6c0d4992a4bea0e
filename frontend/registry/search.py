"""Which registered picture it is. Every search looks at all of them: 64 bits a picture are soon compared."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from frontend.domain.fingerprint import Fingerprint
from frontend.invisible_mark.codes import BITS, VARIANTS, bits_of
from frontend.invisible_mark.reading import MarkReading
from frontend.registry.index import Columns, Words, print_words

SURE_BITS = 4
"""So many wrong bits of 64 are no accident: random bits meet one of a million ids so once in 27 million."""
MAX_WRONG_BITS = 10
"""Up to so many, nothing is said unless the content agrees: random bits meet one of a million ids so once in
100."""
MAX_CANDIDATES = 4
"""Pictures whose content is compared."""
NEAR = 31
"""Bits of 256 by which two fingerprints of one picture differ at most; PDQ's authors' own threshold."""
FIT = 50
"""A fingerprint of lower quality says nothing, by PDQ's authors."""
_CHUNK = 1 << 16  # pictures; what is worked on stays in the processor's cache


@dataclass(frozen=True, kw_only=True)
class PrintMatch:
    row: int
    distance: int  # of 256 bits
    mirrored: bool


@dataclass(frozen=True, kw_only=True)
class MarkMatch:
    row: int
    wrong_bits: int  # of 64


def by_mark(columns: Columns, reading: MarkReading) -> list[MarkMatch]:
    """Issued ids that are near enough, the likeliest first: the least soft evidence speaks against it."""
    read = np.uint64(bits_of(reading.soft))
    wrong = np.bitwise_count(columns.marks ^ read)
    rows = np.flatnonzero(wrong <= MAX_WRONG_BITS)
    rows = rows[columns.keys[rows] == reading.version]
    # The tile that was found says the id's first bits, and much more surely than they do themselves.
    rows = rows[columns.marks[rows] >> np.uint64(BITS - VARIANTS.bit_length() + 1) == reading.variant]
    differ = (columns.marks[rows, None] ^ read) >> np.arange(BITS, dtype=np.uint64) & np.uint64(1)
    against = (differ * np.abs(reading.soft)).sum(1)
    likely = np.argsort(against, kind="stable")[:MAX_CANDIDATES]
    return [MarkMatch(row=int(rows[at]), wrong_bits=int(wrong[rows[at]])) for at in likely]


def by_print(
    columns: Columns, prints: Sequence[Fingerprint], rows: Sequence[int] | None = None
) -> PrintMatch | None:
    """The most similar one, if it is similar at all; `prints`: of the picture, and of its mirror image.

    `rows`: those that are looked at, in place of all.
    """
    if rows is not None:
        return _nearest(columns.prints[:, rows], columns.qualities[rows], prints, rows)
    return _nearest(columns.prints, columns.qualities, prints, range(len(columns)))


def _nearest(
    kept: Words, qualities: npt.NDArray[np.uint8], prints: Sequence[Fingerprint], rows: Sequence[int]
) -> PrintMatch | None:
    """`kept` [4, n] and `qualities` [n] are those of `rows`."""
    best: PrintMatch | None = None
    for mirrored, one in zip((False, True), prints, strict=True):
        if one.quality < FIT:
            continue
        wanted = np.array(print_words(one.digits), np.uint64)[:, None]
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, min(start + _CHUNK, len(rows)))
            apart = np.bitwise_count(kept[:, part] ^ wanted).sum(0, dtype=np.uint16)
            apart[qualities[part] < FIT] = 999
            row = int(apart.argmin())
            distance = int(apart[row])
            if distance <= NEAR and (best is None or distance < best.distance):
                best = PrintMatch(row=rows[start + row], distance=distance, mirrored=mirrored)
    return best


def by_word(column: npt.NDArray[np.uint64], word: int) -> list[int]:
    """Rows that hold exactly this, the first ones."""
    return [int(row) for row in np.flatnonzero(column == np.uint64(word))[:8]]
