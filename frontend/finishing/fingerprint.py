"""The perceptual fingerprint: PDQ, https://github.com/facebook/ThreatExchange/tree/main/pdq."""

import ctypes
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pdqhash import bindings

from frontend.domain.fingerprint import Fingerprint

LUMA = np.array([[299, 587, 114]], np.float32)
"""Thousandths of red, green and blue. Whole numbers, so that float32 rounds once, in the division: that gives
what pdqhash's float64 gives, of every colour."""
ROWS = 32  # made bright at a time: what is worked on stays in the processor's cache
SIDE = 64
"""Of the samples that PDQ hashes. The library takes a picture of this size for the samples themselves."""

# pdqhash.compute holds Python's lock while it calls these, and the event loop with it; ctypes does not.
_library = ctypes.CDLL(bindings.__file__)
_hash = _library["_ZN8facebook3pdq7hashing23pdqHash256FromFloatLumaEPfS2_iiPA64_fS4_PA16_fRNS1_7Hash256ERi"]
_along_rows = _library["_ZN8facebook3pdq11downscaling17boxAlongRowsFloatEPKfPfiii"]
_along_columns = _library["_ZN8facebook3pdq11downscaling17boxAlongColsFloatEPKfPfiii"]
_hash.restype = _along_rows.restype = _along_columns.restype = None


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """PDQ of pixels [H,W,3] RGB, to the bit what `pdqhash.compute` says of them.

    Takes about 8 ms and 8 bytes a pixel, without Python's lock.
    """
    luma = _luma(pixels)
    if min(luma.shape) > SIDE:
        luma = _samples(luma)
    height, width = luma.shape
    blurred, samples = np.empty_like(luma), np.empty((SIDE, SIDE), np.float32)
    half, coefficients = np.empty((16, SIDE), np.float32), np.empty((16, 16), np.float32)
    words, quality = np.empty(16, np.uint16), ctypes.c_int()
    _hash(
        _at(luma),
        _at(blurred),
        height,
        width,
        _at(samples),
        _at(half),
        _at(coefficients),
        _at(words),
        ctypes.byref(quality),
    )
    return Fingerprint(words[::-1].astype(">u2").tobytes().hex(), quality.value)


def _samples(luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[SIDE, SIDE]: PDQ's filter, boxes along rows, columns, rows, columns. The last goes along those columns
    alone that a sample is taken of. `luma` is overwritten."""
    height, width = luma.shape
    wide, high = (-(-side // (2 * SIDE)) for side in (width, height))
    blurred = np.empty_like(luma)
    _along_rows(_at(luma), _at(blurred), height, width, wide)
    _along_columns(_at(blurred), _at(luma), height, width, high)
    _along_rows(_at(luma), _at(blurred), height, width, wide)
    columns = np.ascontiguousarray(blurred[:, _middles(width)])
    done = np.empty_like(columns)
    _along_columns(_at(columns), _at(done), height, SIDE, high)
    return done[_middles(height)]


def _middles(length: int) -> npt.NDArray[np.intp]:
    """[SIDE]: where the samples lie."""
    return ((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.intp)


def _luma(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """[H, W]"""
    luma = np.empty(pixels.shape[:2], np.float32)
    for top in range(0, len(luma), ROWS):
        part = pixels[top : top + ROWS].astype(np.float32)
        np.divide(cv2.transform(part, LUMA), np.float32(1000), out=luma[top : top + ROWS])
    return luma


def _at(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
