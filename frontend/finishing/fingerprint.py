"""The perceptual fingerprint: PDQ, https://github.com/facebook/ThreatExchange/tree/main/pdq."""

import cv2
import numpy as np
import numpy.typing as npt
import pdqhash

from frontend.domain.fingerprint import Fingerprint

SIDE = 64
"""What PDQ itself reduces a picture to first; pdqhash does that slowly, and holds Python's lock meanwhile."""


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """PDQ of pixels [H,W,3] RGB, before any lossy encoding, so that it does not depend on the format."""
    bits, quality = pdqhash.compute(shrunk(pixels))
    return Fingerprint(np.packbits(bits.astype(np.uint8)).tobytes().hex(), int(quality))


def shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """[SIDE, SIDE, 3] of grey, each the mean of its part of the picture; three times the same memory."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    return np.broadcast_to(small[..., None], (SIDE, SIDE, 3))
