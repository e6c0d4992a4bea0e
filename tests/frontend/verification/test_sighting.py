"""What one file says of itself, whatever its size."""

import cv2
import numpy as np
import pytest

from frontend.finishing.fingerprint import fingerprint
from frontend.verification.sighting import MAX_PRINTED_SIDE, prints_of
from tests.frontend.finishing.pictures import scene
from tests.frontend.finishing.test_fingerprint import MATCH, distance, of_the_library


@pytest.mark.parametrize("size", [(1, 1), (333, 200), (1344, 768), (MAX_PRINTED_SIDE, 64)])
def test_prints_are_the_picture_s_and_its_mirror_image_s(size: tuple[int, int]) -> None:
    pixels = scene(*size)
    mirrored = np.ascontiguousarray(pixels[:, ::-1])
    assert prints_of(pixels) == (of_the_library(pixels), of_the_library(mirrored))


@pytest.mark.parametrize("size", [(6000, 3429), (3429, 6000), (16_384, 1464)])
def test_enlarged_picture_is_known_again(size: tuple[int, int]) -> None:
    pixels = scene(1344, 768)
    plain, mirrored = prints_of(np.asarray(cv2.resize(pixels, size), np.uint8))
    assert distance(plain.digits, fingerprint(pixels).digits) <= MATCH
    assert distance(mirrored.digits, fingerprint(pixels[:, ::-1]).digits) <= MATCH
