"""The perceptual fingerprint of a picture."""

from typing import NamedTuple


class Fingerprint(NamedTuple):
    digits: str  # PDQ: 64 hexadecimal digits, the first bit of its vector first
    quality: int  # 0 to 100; PDQ's users ignore matches below 50
