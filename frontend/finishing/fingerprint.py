"""The perceptual fingerprint: PDQ, https://github.com/facebook/ThreatExchange/tree/main/pdq."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image

# PDQ's authors shrink to this before hashing; it also keeps the interpreter lock to a few ms.
SIDE = 512


class Fingerprint(NamedTuple):
    digits: str  # 64 hexadecimal digits, the first bit of PDQ's vector first
    quality: int  # 0 to 100; PDQ's users ignore matches below 50


def fingerprint(pixels: npt.NDArray[np.uint8]) -> Fingerprint:
    """PDQ of pixels [H,W,3] RGB, before any lossy encoding, so that it does not depend on the format."""
    small = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BOX)
    bits, quality = pdqhash.compute(np.asarray(small))
    return Fingerprint(np.packbits(bits.astype(np.uint8)).tobytes().hex(), int(quality))
