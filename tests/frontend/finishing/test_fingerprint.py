import re

import numpy as np
import pdqhash
import pytest
from PIL import Image

from frontend.domain.picture import Encoding
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint

from .pictures import scene
from .test_encode import opened

MATCH = 31  # bits of 256 within which PDQ's authors call two pictures the same


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_fingerprint_is_64_digits_and_steady() -> None:
    found = fingerprint(scene(1344, 768))
    assert re.fullmatch("[0-9a-f]{64}", found.digits)
    assert 0 <= found.quality <= 100
    assert found == fingerprint(scene(1344, 768).copy())


@pytest.mark.parametrize("kind", ["jpeg", "webp", "avif"])
def test_encoded_picture_still_matches(kind: str) -> None:
    pixels = scene(672, 384)
    file = encode(pixels, Encoding(format=kind, quality=40, lossless=False))
    again = fingerprint(np.asarray(opened(file)))
    assert distance(fingerprint(pixels).digits, again.digits) <= MATCH


def test_resized_picture_still_matches_and_another_does_not() -> None:
    pixels = scene(672, 384)
    half = np.asarray(Image.fromarray(pixels).resize((336, 192), Image.Resampling.LANCZOS))
    assert distance(fingerprint(pixels).digits, fingerprint(half).digits) <= MATCH
    assert distance(fingerprint(pixels).digits, fingerprint(pixels[::-1].copy()).digits) > MATCH


@pytest.mark.parametrize("size", [(1344, 768), (768, 1344), (1024, 1024), (200, 300)])
def test_other_programs_that_hash_the_whole_picture_find_it(size: tuple[int, int]) -> None:
    pixels = scene(*size)
    bits, _ = pdqhash.compute(pixels)
    whole = np.packbits(bits.astype(np.uint8)).tobytes().hex()
    assert distance(fingerprint(pixels).digits, whole) <= MATCH // 2


def test_even_picture_has_no_quality() -> None:
    assert fingerprint(np.zeros((64, 64, 3), np.uint8)).quality == 0
