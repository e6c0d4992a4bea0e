import io
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from PIL import Image

from frontend.invisible_mark.codes import Codes, bits_of, variant_of
from frontend.invisible_mark.reading import SHORTEST, read
from frontend.invisible_mark.writing import write

from .conftest import IDENTITY, Pixels


def encoded(pixels: Pixels, kind: str, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(pixels: Pixels, across: float, down: float) -> Pixels:
    return np.asarray(cv2.resize(pixels, None, fx=across, fy=down, interpolation=cv2.INTER_AREA), np.uint8)


def cropped(pixels: Pixels, share: float) -> Pixels:
    height, width = (round(side * share) for side in pixels.shape[:2])
    top, left = (pixels.shape[0] - height) // 3, (pixels.shape[1] - width) * 2 // 3
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """And cropped to what has no empty corners."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    whole = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC)
    angle = np.radians(abs(degrees))
    share = 1 / (np.cos(angle) + width / height * np.sin(angle))
    high, wide = int(height * share), int(width * share)
    top, left = (height - high) // 2, (width - wide) // 2
    return np.ascontiguousarray(whole[top : top + high, left : left + wide])


TREATMENTS: dict[str, Callable[[Pixels], Pixels]] = {
    "nothing": lambda pixels: pixels,
    "jpeg 50": lambda pixels: encoded(pixels, "JPEG", 50),
    "webp 80": lambda pixels: encoded(pixels, "WEBP", 80),
    "avif 60": lambda pixels: encoded(pixels, "AVIF", 60),
    "thumbnail of 512": lambda pixels: resized(pixels, 512 / 1344, 512 / 1344),
    "enlarged": lambda pixels: resized(pixels, 1.5, 1.5),
    "cropped to 70 %": lambda pixels: cropped(pixels, 0.7),
    "turned by 10": lambda pixels: turned(pixels, 10),
    "turned by -2": lambda pixels: turned(pixels, -2),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "stretched unevenly": lambda pixels: resized(pixels, 1.1, 0.9),
    "brighter": lambda pixels: np.clip(pixels * 1.2, 0, 255).astype(np.uint8),
    "cropped and turned": lambda pixels: turned(cropped(pixels, 0.8), 5),
    "cropped, smaller, jpeg": lambda pixels: encoded(resized(cropped(pixels, 0.7), 0.6, 0.6), "JPEG", 75),
}


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_every_bit_survives(treatment: str, marked: Pixels, codes: Codes) -> None:
    reading = read(TREATMENTS[treatment](marked), [codes])
    assert reading is not None
    assert bits_of(reading.soft) == IDENTITY
    assert reading.variant == variant_of(IDENTITY)
    assert reading.mirrored == (treatment == "mirrored")


def test_unmarked_picture_says_nothing(picture: Pixels, codes: Codes) -> None:
    assert read(picture, [codes]) is None


def test_mark_of_another_key_is_not_seen(marked: Pixels) -> None:
    assert read(marked, [Codes.of(b"another secret for tests, 32 byte")]) is None


def test_older_key_is_still_read(marked: Pixels, codes: Codes) -> None:
    newer = Codes.of(b"another secret for tests, 32 byte", version=2)
    reading = read(marked, [newer, codes])
    assert reading is not None
    assert (reading.version, bits_of(reading.soft)) == (codes.version, IDENTITY)


@pytest.mark.parametrize("shape", [(1, 1, 3), (SHORTEST - 1, 2000, 3), (SHORTEST, 8000, 3), (300, 300, 3)])
def test_odd_picture_is_answered(shape: tuple[int, int, int], codes: Codes) -> None:
    assert read(np.full(shape, 200, np.uint8), [codes]) is None


def test_small_portrait_picture_keeps_its_mark(codes: Codes) -> None:
    portrait = np.full((640, 384, 3), (120, 90, 160), np.uint8)
    reading = read(write(portrait, 5, codes), [codes])
    assert reading is not None
    assert bits_of(reading.soft) == 5
