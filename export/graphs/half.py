"""Between fp16 and fp32 as numpy casts, to the bit, in half of its time: a merge does both with every weight.

numpy takes one value after the other; these are passes over a strip that stays in the processor's cache.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

EXPONENT = np.int16(0x7C00)  # all ones: infinite, or no number
KEPT = ~np.int32(0x70001FFF)  # sign, exponent and mantissa of an fp16 that was moved to fp32's place
REBIAS = np.float32(2.0**112)  # between the two exponents' zeros
# 1.5 · 2^(e + 13), added and taken away, rounds a value of exponent e to fp16's ten digits, ties to even;
# below fp16's least exponent, to its least digit.
EXPONENT_32, TENTH_DIGIT, LEAST = np.int32(0x7F800000), np.int32(13 << 23 | 1 << 22), np.int32(0x3F400000)

Half = npt.NDArray[np.float16]
Single = npt.NDArray[np.float32]


def widen(half: Half) -> Single:
    """Contiguous, as what it returns."""
    bits = half.view(np.int16)
    if (bits & EXPONENT).max(initial=0) == EXPONENT:
        return half.astype(np.float32)
    moved = bits.astype(np.int32)
    moved <<= 13
    moved &= KEPT
    made: Single = moved.view(np.float32)
    made *= REBIAS
    return made


def narrow(single: Single) -> Half:
    """Contiguous and at most fp16's largest value; it is used up."""
    bits = single.view(np.int32)
    signs: npt.NDArray[Any] = np.signbit(single).astype(np.int16)
    signs <<= 15
    rounder = bits & EXPONENT_32
    rounder += TENTH_DIGIT
    np.maximum(rounder, LEAST, out=rounder)
    single += rounder.view(np.float32)
    single -= rounder.view(np.float32)
    single *= 1 / REBIAS
    bits >>= 13
    made = bits.astype(np.int16)
    made |= signs
    return made.view(np.float16)
