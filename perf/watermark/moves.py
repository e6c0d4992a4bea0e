"""How a mark gets onto a foreign picture: rows of name and function of our picture and the foreign one."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
import numpy.typing as npt

from perf.watermark.attacks import TILE, Pixels

LIMIT = 10
"""Grey levels beyond which what a blur takes off is the picture's."""


def fitted(foreign: Pixels, ours: Pixels) -> Pixels:
    """The foreign picture in our picture's size."""
    size = ours.shape[1], ours.shape[0]
    return np.asarray(cv2.resize(foreign, size, interpolation=cv2.INTER_AREA), np.uint8)


def difference(ours: Pixels, foreign: Pixels, strength: float) -> Pixels:
    """What a blur takes off ours, added to the other."""
    return _laid(fitted(foreign, ours), strength * _fine(ours))


def average_tile(ours: Pixels, foreign: Pixels, strength: float) -> Pixels:
    """What all tiles of ours have in common, laid out again, their signs by turns."""
    fine = _fine(ours).mean(2)
    rows, columns = (-(-side // TILE) for side in fine.shape)
    signs = 1 - 2 * (np.add.outer(np.arange(rows), np.arange(columns)) % 2)
    whole = np.pad(fine, ((0, rows * TILE - fine.shape[0]), (0, columns * TILE - fine.shape[1])))
    tile = np.einsum("iajb,ij->ab", whole.reshape(rows, TILE, columns, TILE), signs) / signs.size
    laid = np.kron(signs, tile)[: fine.shape[0], : fine.shape[1], None]
    return _laid(fitted(foreign, ours), strength * laid)


def piece(ours: Pixels, foreign: Pixels, share: float) -> Pixels:
    """A piece of ours, of `share` of its sides, in the midst of the other."""
    collage = fitted(foreign, ours)
    top, left = (round(side * (1 - share) / 2) for side in ours.shape[:2])
    inner = np.s_[top : ours.shape[0] - top, left : ours.shape[1] - left]
    collage[inner] = ours[inner]
    return collage


def _fine(pixels: Pixels) -> npt.NDArray[np.float32]:
    values = pixels.astype(np.float32)
    return np.asarray(np.clip(values - cv2.GaussianBlur(values, (0, 0), 5), -LIMIT, LIMIT), np.float32)


def _laid(pixels: Pixels, change: npt.NDArray[np.floating]) -> Pixels:
    return np.clip(np.rint(pixels + change), 0, 255).astype(np.uint8)


MOVES: Mapping[str, Callable[[Pixels, Pixels], Pixels]] = {
    "difference": lambda ours, foreign: difference(ours, foreign, 1),
    "difference, doubled": lambda ours, foreign: difference(ours, foreign, 2),
    "average tile, doubled": lambda ours, foreign: average_tile(ours, foreign, 2),
    "average tile, four times": lambda ours, foreign: average_tile(ours, foreign, 4),
    "piece of 40 % of the sides": lambda ours, foreign: piece(ours, foreign, 0.4),
    "piece of 60 % of the sides": lambda ours, foreign: piece(ours, foreign, 0.6),
}
"""Beside these, the mark laid on the foreign picture with the key itself: nobody can move it better."""
