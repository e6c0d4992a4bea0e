import numpy as np
import pytest

from frontend.invisible_mark.codes import (
    BITS,
    CHIPS,
    PER_BIT,
    PILOT,
    SIDE,
    VARIANTS,
    Codes,
    bits_of,
    variant_of,
)
from frontend.invisible_mark.folding import roll


def test_a_tile_says_its_identity(codes: Codes) -> None:
    for identity in (0, 1, 2**63, 2**64 - 1, 0x0123456789ABCDEF):
        tile = codes.tile(identity)
        assert tile.shape == (SIDE, SIDE)
        assert bits_of(codes.soft_bits(tile, variant_of(identity))) == identity


def test_all_but_the_spare_chips_carry_something(codes: Codes) -> None:
    assert np.count_nonzero(codes.tile(7)) == PILOT + BITS * PER_BIT <= CHIPS


def test_variant_is_the_identitys_first_bits() -> None:
    assert {variant_of(number << 58) for number in range(VARIANTS)} == set(range(VARIANTS))
    assert variant_of(2**58 - 1) == 0


@pytest.mark.parametrize(("down", "across"), [(0, 0), (5, 60), (63, 1)])
def test_pilot_is_found_where_the_tile_begins(codes: Codes, down: int, across: int) -> None:
    identity = 11 << 58 | 12345
    fits = codes.correlate(roll(codes.tile(identity), down, across)[None])[0]
    place = np.unravel_index(np.abs(fits).argmax(), fits.shape)
    assert place[0] == 11
    again = roll(roll(codes.tile(identity), down, across), int(place[1]), int(place[2]))
    assert np.array_equal(np.sign(fits[place]) * again, codes.tile(identity))


def test_another_key_makes_another_pattern(codes: Codes) -> None:
    other = Codes.of(b"another secret for tests, 32 byte")
    assert abs(float((codes.tile(7) * other.tile(7)).mean())) < 0.1
    assert np.array_equal(Codes.of(b"a secret for tests, 32 bytes long").tile(7), codes.tile(7))
