import io
import re
import time
from threading import Thread

import numpy as np
import numpy.typing as npt
import pdqhash
import pytest
from PIL import Image

from contract.sizes import SIZES
from frontend.domain.picture import Encoding, File, Picture
from frontend.finishing.encode import encode
from frontend.finishing.fingerprint import fingerprint
from frontend.finishing.finish import finish

from .pictures import credentials, scene
from .test_encode import opened
from .test_finish import TOOLS

Pixels = npt.NDArray[np.uint8]

MATCH = 31  # bits of 256 within which PDQ's authors call two pictures the same
ODD_SIZES = (
    *((1, 1), (2, 5), (37, 23), (63, 65), (64, 64), (129, 127), (200, 300)),
    *((512, 512), (640, 480), (333, 1500), (1001, 701)),
)
KINDS = ("scene", "noise", "stripes", "checkers", "gradient", "text", "flat")
LOSSLESS = [("png", False), ("webp", True), ("avif", True)]


def picture(kind: str, width: int, height: int) -> Pixels:
    """[height, width, 3]: what fingerprints are easily wrong of is among them."""
    down, across = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(width * 10_007 + height)
    match kind:
        case "scene":
            return scene(width, height)
        case "noise":
            grey = random.integers(0, 256, (height, width))
        case "stripes":  # finer than what PDQ samples
            grey = 127 + 120 * np.sin(across * 1.9 + down * 0.31)
        case "checkers":
            grey = (across // 7 + down // 5) % 2 * 255
        case "gradient":
            grey = (across + down) * 255 // max(1, width + height - 2)
        case "text":
            grey = random.integers(0, 2, (height, width))[down // 8, across // 3] * 255
        case _:
            grey = np.full((height, width), 77)
    return np.asarray(np.clip(grey[..., None] * np.array([1.0, 0.9, 0.7]), 0, 255), np.uint8)


def of_the_library(pixels: Pixels) -> tuple[str, int]:
    bits, quality = pdqhash.compute(pixels)
    return np.packbits(bits.astype(np.uint8)).tobytes().hex(), int(quality)


def of_file(file: File) -> tuple[str, int]:
    """As somebody computes it who has nothing but the file."""
    return of_the_library(np.asarray(Image.open(io.BytesIO(file.data)).convert("RGB")))


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def test_fingerprint_is_64_digits_and_steady() -> None:
    found = fingerprint(scene(1344, 768))
    assert re.fullmatch("[0-9a-f]{64}", found.digits)
    assert 0 <= found.quality <= 100
    assert found == fingerprint(scene(1344, 768).copy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [*SIZES, *ODD_SIZES])
def test_fingerprint_is_the_library_s_to_the_bit(kind: str, size: tuple[int, int]) -> None:
    pixels = picture(kind, *size)
    assert fingerprint(pixels) == of_the_library(pixels)


def test_fingerprint_costs_two_thirds_of_the_library_s_at_most() -> None:
    """Processor time of this thread, the least of several by turns."""
    pixels = scene(1344, 768)
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(8):
        for call, times in zip((fingerprint, pdqhash.compute), spent, strict=True):
            began = time.thread_time()
            call(pixels)
            times.append(time.thread_time() - began)
    ours, theirs = (min(times) for times in spent)
    assert ours < theirs * 2 / 3


def test_every_colour_has_the_library_s_brightness() -> None:
    """All 16.7 million of them, in pictures whose hash the last bit of one brightness can change."""
    levels = np.arange(256, dtype=np.uint8)
    for red in range(0, 256, 5):
        green, blue = np.meshgrid(levels, levels)
        pixels = np.stack([np.full_like(green, red), green, blue], axis=-1)
        assert fingerprint(pixels) == of_the_library(pixels)


def test_pixels_need_not_lie_in_one_piece() -> None:
    pixels = scene(400, 300)
    for part in (pixels[:, ::-1], pixels[10:-3, 7:-20], pixels[..., ::-1]):
        assert fingerprint(part) == of_the_library(np.ascontiguousarray(part))


# 112 of them; each format has every kind and every size.
DELIVERED = [
    (kind, *LOSSLESS[(number + place) % len(LOSSLESS)], size)
    for number, size in enumerate([*SIZES, *(odd for odd in ODD_SIZES if min(odd) > 16)])
    for place, kind in enumerate(KINDS)
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form", "lossless", "size"), DELIVERED)
def test_fingerprint_is_that_of_the_delivered_file(
    kind: str, form: str, lossless: bool, size: tuple[int, int]
) -> None:
    encoding = Encoding(format=form, quality=95, lossless=lossless)
    finished = finish(Picture(picture(kind, *size)), None, encoding, credentials(), TOOLS)
    assert (finished.fingerprint, finished.fingerprint_quality) == of_file(finished.picture)


def test_other_threads_go_on_meanwhile() -> None:
    pixels, pauses = np.zeros((3000, 4000, 3), np.uint8), [0.0]
    worker = Thread(target=fingerprint, args=(pixels,))
    began = last = time.perf_counter()
    worker.start()
    while worker.is_alive():
        now = time.perf_counter()
        pauses.append(now - last)
        last = now
    assert max(pauses) < (last - began) / 4


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


def test_even_picture_has_no_quality() -> None:
    assert fingerprint(np.zeros((64, 64, 3), np.uint8)).quality == 0
