"""What happens to a picture on its way: rows of name and function."""

import io
from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]
THUMBNAIL = 512
TILE = 256


def encoded(pixels: Pixels, kind: str, quality: int) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def resized(pixels: Pixels, across: float, down: float) -> Pixels:
    size = max(1, round(pixels.shape[1] * across)), max(1, round(pixels.shape[0] * down))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def thumbnail(pixels: Pixels) -> Pixels:
    factor = THUMBNAIL / max(pixels.shape[:2])
    return resized(pixels, factor, factor) if factor < 1 else pixels


def cropped(pixels: Pixels, share: float) -> Pixels:
    """Off the middle."""
    height, width = (round(side * share) for side in pixels.shape[:2])
    top, left = round((pixels.shape[0] - height) * 0.63), round((pixels.shape[1] - width) * 0.31)
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """And cropped to what has no empty corners."""
    height, width = pixels.shape[:2]
    whole = np.asarray(Image.fromarray(pixels).rotate(degrees, Image.Resampling.BICUBIC))
    angle = np.radians(abs(degrees))
    share = 1 / (np.cos(angle) + max(width / height, height / width) * np.sin(angle))
    high, wide = int(height * share), int(width * share)
    top, left = (height - high) // 2, (width - wide) // 2
    return np.ascontiguousarray(whole[top : top + high, left : left + wide])


def brighter(pixels: Pixels) -> Pixels:
    return np.asarray(np.clip(pixels * 1.2, 0, 255), np.uint8)


def untiled(pixels: Pixels) -> Pixels:
    """Takes the average tile of this picture's own fine detail off it: what removes a mark that repeats."""
    fine = pixels.astype(np.float32) - cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), 5)
    height, width = pixels.shape[:2]
    total = np.zeros((TILE, TILE, 3), np.float32)
    count = np.zeros((TILE, TILE, 1), np.float32)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            piece = fine[top : top + TILE, left : left + TILE]
            total[: piece.shape[0], : piece.shape[1]] += np.clip(piece, -10, 10)
            count[: piece.shape[0], : piece.shape[1]] += 1
    repeats = (-(-height // TILE), -(-width // TILE), 1)
    average = np.tile(total / count, repeats)[:height, :width]
    return np.clip(np.rint(pixels - average), 0, 255).astype(np.uint8)


ATTACKS: Mapping[str, Callable[[Pixels], Pixels]] = {
    "JPEG 50": lambda pixels: encoded(pixels, "JPEG", 50),
    "WebP 80": lambda pixels: encoded(pixels, "WEBP", 80),
    "AVIF 60": lambda pixels: encoded(pixels, "AVIF", 60),
    "thumbnail of 512": thumbnail,
    "crop to 70 %": lambda pixels: cropped(pixels, 0.7),
    "turn by 2°": lambda pixels: turned(pixels, 2),
    "turn by 10°": lambda pixels: turned(pixels, -10),
    "brightness +20 %": brighter,
    "mirror": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
    "stretch 10 %": lambda pixels: resized(pixels, 1.1, 0.95),
    "squeeze 10 %": lambda pixels: resized(pixels, 0.9, 1.0),
    "average tile": untiled,
}
PAIRS = [(first, second) for at, first in enumerate(ATTACKS) for second in list(ATTACKS)[at + 1 :]]
"""Crop and turn together are among them. Geometry comes before compression, as when a picture is edited."""
LATE = ("JPEG 50", "WebP 80", "AVIF 60")


def pair(names: tuple[str, str], pixels: Pixels) -> Pixels:
    first, second = sorted(names, key=lambda name: name in LATE)
    return ATTACKS[second](ATTACKS[first](pixels))
