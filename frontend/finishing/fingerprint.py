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

# pdqhash.compute holds Python's lock while it calls this, and the event loop with it; ctypes does not.
_hash = ctypes.CDLL(bindings.__file__)[
    "_ZN8facebook3pdq7hashing23pdqHash256FromFloatLumaEPfS2_iiPA64_fS4_PA16_fRNS1_7Hash256ERi"
]
_hash.restype = None


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """PDQ of pixels [H,W,3] RGB, to the bit what `pdqhash.compute` says of them.

    Takes about 10 ms and 8 bytes a pixel, without Python's lock.
    """
    luma = _luma(pixels)
    height, width = luma.shape
    blurred, samples = np.empty_like(luma), np.empty((64, 64), np.float32)
    half, coefficients = np.empty((16, 64), np.float32), np.empty((16, 16), np.float32)
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


def _luma(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """[H, W]"""
    luma = np.empty(pixels.shape[:2], np.float32)
    for top in range(0, len(luma), ROWS):
        part = pixels[top : top + ROWS].astype(np.float32)
        np.divide(cv2.transform(part, LUMA), np.float32(1000), out=luma[top : top + ROWS])
    return luma


def _at(array: npt.NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
