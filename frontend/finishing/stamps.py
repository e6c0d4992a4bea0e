"""Watermarks in their final size and direction, kept for the next picture that bears the same one."""

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from frontend.domain.picture import Watermark
from frontend.finishing.mark_pixels import unpack

Pixels = npt.NDArray[np.uint8]

MAX_BYTES = 64 << 20
MIN_PARTS = 4  # a picture that takes more than one of so many parts of the room is not kept


class Stamps:
    """Decoded watermarks by their SHA-256, and stamps by what they are made of; the least recently used go.

    Shared by the finishing threads.
    """

    def __init__(self, most_bytes: int = MAX_BYTES) -> None:
        self._most = most_bytes
        self._held = 0  # bytes
        self._kept: OrderedDict[Hashable, Pixels] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        return self._held

    def stamp(self, watermark: Watermark, width: int, height: int) -> Pixels:
        """[h, w, 4], colours multiplied by alpha, no larger than the picture (width, height). Read only."""
        digest = hashlib.sha256(watermark.image).digest()

        def made() -> Pixels:
            image = self._of((digest,), lambda: np.asarray(unpack(watermark.image)))
            return _stamp(Image.fromarray(image, "RGBa"), watermark, width, height)

        return self._of((digest, watermark.scale, watermark.rotation, width, height), made)

    def _of(self, key: Hashable, make: Callable[[], Pixels]) -> Pixels:
        """Made outside of the lock: two threads may make the same one, which is no harm."""
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        pixels = make()
        pixels.setflags(write=False)
        if pixels.nbytes <= self._most // MIN_PARTS:
            self._keep(key, pixels)
        return pixels

    def _keep(self, key: Hashable, pixels: Pixels) -> None:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = pixels
                self._held += pixels.nbytes
            while self._held > self._most:
                self._held -= self._kept.popitem(last=False)[1].nbytes


def _stamp(image: Image.Image, watermark: Watermark, width: int, height: int) -> Pixels:
    straight = watermark.rotation % 90 == 0
    room = (width, height) if straight else (max(1, width - 4), max(1, height - 4))
    wide = width * watermark.scale / 100
    size = _fit(wide, wide * image.height / image.width, watermark.rotation, room)
    stamp = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if not straight:  # a clear border gives the turned edges something to fade into
        stamp = ImageOps.expand(stamp, border=1, fill=(0, 0, 0, 0))
    stamp = stamp.rotate(watermark.rotation, Image.Resampling.BICUBIC, expand=True)
    pixels = np.array(stamp.crop((0, 0, min(stamp.width, width), min(stamp.height, height))))
    # Resampling overshoots at hard edges, and a colour above its alpha would shine.
    np.minimum(pixels[..., :3], pixels[..., 3:], out=pixels[..., :3])
    return pixels


def _fit(wide: float, high: float, degrees: int, room: tuple[int, int]) -> tuple[int, int]:
    """The size, at most wide × high, whose box after turning fits the room. Pixels."""
    cos, sin = (abs(turn(math.radians(degrees))) for turn in (math.cos, math.sin))
    box = wide * cos + high * sin, wide * sin + high * cos
    shrink = min(1.0, room[0] / box[0], room[1] / box[1])
    return max(1, round(wide * shrink)), max(1, round(high * shrink))
