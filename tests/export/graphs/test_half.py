"""numpy's own casts are the measure, bit by bit."""

import numpy as np

from export.graphs.half import narrow, widen
from export.graphs.rewrite import Array
from export.graphs.storage import MAX_FP16

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = ALL[np.isfinite(ALL)]


def assert_same_bits(found: Array, wanted: Array) -> None:
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found.view(f"u{found.itemsize}"), wanted.view(f"u{wanted.itemsize}"))


def test_every_half_is_widened() -> None:
    for values in (FINITE, ALL):  # the latter holds infinities and no numbers
        assert_same_bits(widen(values), values.astype(np.float32))


def test_every_half_comes_back() -> None:
    assert_same_bits(narrow(FINITE.astype(np.float32)), FINITE)


def test_what_lies_between_two_halves_is_rounded_as_numpy_does() -> None:
    """The middle of each two neighbours, a tie, and the next fp32 on both of its sides."""
    ordered = np.unique(FINITE).astype(np.float32)
    middle: Array = (ordered[1:] + ordered[:-1]) / 2
    above, below = (np.nextafter(middle, end, dtype=np.float32) for end in (np.inf, -np.inf))
    for values in (middle, above, below):
        assert_same_bits(narrow(values.copy()), values.astype(np.float16))


def test_any_single_is_rounded_as_numpy_does() -> None:
    """Of all exponents: also those that fp16 has only as its least values, or as zeros with a sign."""
    values = np.random.default_rng(0).integers(0, 1 << 32, 1 << 20, np.uint32).view(np.float32)
    values = values[np.abs(values) <= MAX_FP16]
    assert values.size > 1 << 18
    assert_same_bits(narrow(values.copy()), values.astype(np.float16))
