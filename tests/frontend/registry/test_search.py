import dataclasses

import numpy as np
import pytest

from frontend.domain.fingerprint import Fingerprint
from frontend.invisible_mark.codes import BITS, variant_of
from frontend.invisible_mark.reading import MarkReading
from frontend.registry.index import Columns
from frontend.registry.search import (
    FIT,
    MAX_CANDIDATES,
    MAX_WRONG_BITS,
    SURE_BITS,
    MarkMatch,
    by_mark,
    by_print,
    by_word,
)

from .pictures import many

COLUMNS = many(20_000)
ROW = 12_345
NOTHING = Fingerprint("0" * 64, 0)


def reading(identity: int, flipped: int = 0, *, weak: float = 1.0, version: int = 1) -> MarkReading:
    """`flipped` bits are wrong, the first ones after the variant's, read as strongly as `weak`."""
    bits = np.array([identity >> place & 1 for place in range(BITS)], np.float32) * 2 - 1
    bits[:flipped] *= -weak
    return MarkReading(
        soft=bits,
        variant=variant_of(identity),
        score=9.0,
        version=version,
        mirrored=False,
        edges=np.eye(2) * 256,
        origin=(0, 0),
    )


def fingerprint(row: int, wrong: int = 0, quality: int = 90, columns: Columns = COLUMNS) -> Fingerprint:
    bits = int("".join(f"{int(word):016x}" for word in columns.prints[:, row]), 16)
    return Fingerprint(f"{bits ^ ((1 << wrong) - 1):064x}", quality)


def identity(row: int) -> int:
    return int(COLUMNS.marks[row])


@pytest.mark.parametrize("wrong", [0, SURE_BITS, MAX_WRONG_BITS])
def test_issued_id_is_found_with_some_wrong_bits(wrong: int) -> None:
    assert by_mark(COLUMNS, reading(identity(ROW), wrong)) == [MarkMatch(row=ROW, wrong_bits=wrong)]


def test_more_wrong_bits_are_nobodys() -> None:
    assert by_mark(COLUMNS, reading(identity(ROW), MAX_WRONG_BITS + 1)) == []


def test_no_more_than_a_few_are_candidates() -> None:
    same = dataclasses.replace(COLUMNS, marks=np.full(len(COLUMNS), identity(ROW), np.uint64))
    assert len(by_mark(same, reading(identity(ROW)))) == MAX_CANDIDATES


def test_stored_fingerprint_of_low_quality_says_nothing() -> None:
    poor = dataclasses.replace(COLUMNS, qualities=np.full(len(COLUMNS), FIT - 1, np.uint8))
    assert by_print(poor, (fingerprint(ROW), NOTHING)) is None


def test_mark_of_another_key_or_another_tile_is_not_ours() -> None:
    assert by_mark(COLUMNS, reading(identity(ROW), version=2)) == []
    other = dataclasses.replace(reading(identity(ROW)), variant=variant_of(identity(ROW)) ^ 1)
    assert by_mark(COLUMNS, other) == []


def test_of_two_ids_the_one_that_only_weak_bits_speak_against_is_meant() -> None:
    """Bits 0 and 1 were read, weakly, as neither has both of them; the other id differs in a strong one."""
    marks = COLUMNS.marks.copy()
    marks[7] = np.uint64(identity(ROW) ^ (1 << 20))
    near = dataclasses.replace(COLUMNS, marks=marks)
    found = by_mark(near, reading(identity(ROW), 2, weak=0.1))
    assert [(one.row, one.wrong_bits) for one in found] == [(ROW, 2), (7, 3)]


def test_most_similar_picture_is_found_across_chunks() -> None:
    whole = many(150_000)
    for row in (0, 65_535, 65_536, 149_999):
        found = by_print(whole, (fingerprint(row, 9, columns=whole), NOTHING))
        assert found is not None
        assert (found.row, found.distance, found.mirrored) == (row, 9, False)


def test_mirror_image_is_told_as_such() -> None:
    found = by_print(COLUMNS, (NOTHING, fingerprint(ROW, 3)))
    assert found is not None
    assert (found.row, found.distance, found.mirrored) == (ROW, 3, True)


def test_nothing_is_found_among_nothing() -> None:
    none = many(0)
    assert by_mark(none, reading(5)) == []
    assert by_print(none, (fingerprint(ROW), NOTHING)) is None
    assert by_word(none.files, 5) == []


def test_word_is_found_where_it_stands() -> None:
    assert by_word(COLUMNS.files, int(COLUMNS.files[ROW])) == [ROW]
    assert by_word(COLUMNS.files, 1) == []
