"""Whether a picture shows what the one showed that its mark was laid on: a mark alone can be moved.

The mark tells where in that picture each pixel lay, up to whole tiles. So a crop that was turned and scaled
is compared with the registered picture cell by cell, at each place where it may lie: both are correlated in
windows, which brightness does not change, and the mean of all windows is taken, so that no part of a picture
speaks for another.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from frontend.domain.luma_grid import LumaGrid
from frontend.invisible_mark.codes import SIDE, Float
from frontend.invisible_mark.reading import MAX_SIDE, MarkReading
from frontend.invisible_mark.residual import grey_of
from frontend.invisible_mark.writing import CHIP

CELL = 64
"""Pixels of a cell's side. It divides a tile, whose place in the picture is not known."""
PER_CELL = CELL // CHIP
PER_TILE = SIDE // PER_CELL
WINDOW = 3
"""Cells of a window's side."""
PLAIN = 3.0
"""Grey levels of contrast below which a window counts for less: of an even area there is little to say."""
NOISE = 0.1
"""Squared grey levels of a cell that compression and rounding change: they are no contrast."""
DOUBT = 4.0
"""Windows that do not agree, beside those there are: few of them, or faint ones, must not decide."""
INSIDE = 0.5
"""Share of a picture that must lie within the registered one."""
AGREES = 0.65
"""Foreign pictures stay below 0.55, but for even gradients; of marked and attacked ones 98 % are above."""


@dataclass(frozen=True, kw_only=True)
class AlignedLuma:
    """A marked picture's cells, turned back and scaled to how they were when it was marked."""

    cells: Float  # [rows, columns] of mean brightness; (0, 0) lies at a tile's beginning
    present: npt.NDArray[np.bool_]  # [rows, columns]: at least half of the cell is in the picture


def luma_grid(pixels: npt.NDArray[np.uint8]) -> LumaGrid:
    """Of pixels [H, W, 3] RGB."""
    rows, columns = (max(1, side // CELL) for side in pixels.shape[:2])
    grey = cv2.cvtColor(pixels[: rows * CELL, : columns * CELL], cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    return LumaGrid(columns, np.asarray(cells, np.uint8).tobytes())


def align(pixels: npt.NDArray[np.uint8], reading: MarkReading) -> AlignedLuma:
    """`pixels` [H, W, 3]: those that `reading` was read from."""
    grey = grey_of(pixels, MAX_SIDE)
    matrix, offset = reading.frame
    high, wide = grey.shape
    corners = np.array([[0, 0], [wide, 0], [0, high], [wide, high]]) - offset
    tiles = corners @ np.linalg.inv(matrix).T
    first, last = np.floor(tiles.min(0)), np.ceil(tiles.max(0))
    chips = matrix / SIDE  # from chips to pixels
    place = np.column_stack([chips, chips @ (first * SIDE + 0.5) + offset - 0.5])
    shape = tuple(int(side) for side in (last - first) * SIDE)
    side = max(1, round(float(np.sqrt(abs(np.linalg.det(chips))))))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    values, present = (
        _means(cv2.warpAffine(one, place, shape, flags=flags))
        for one in (cv2.blur(grey, (side, side)), np.ones_like(grey))
    )
    cells = np.asarray(values / np.maximum(present, 1e-6), np.float32)
    return AlignedLuma(cells=cells, present=present >= 0.5)


def agreement(seen: AlignedLuma, registered: LumaGrid) -> float:
    """-1 to 1: how well the pictures agree where they agree best; from `AGREES` on it is the same one."""
    known = np.frombuffer(registered.cells, np.uint8).reshape(-1, registered.columns).astype(np.float32)
    (high, wide), (rows, columns) = seen.cells.shape, known.shape
    reach = ((0, 0), (high, high), (wide, wide))
    known, within = np.pad(np.stack([known, np.ones_like(known)]), reach)
    whole, best = max(1, int(seen.present.sum())), 0.0
    for top in range(high % PER_TILE, high + rows, PER_TILE):
        for left in range(wide % PER_TILE, wide + columns, PER_TILE):
            part = np.s_[top : top + high, left : left + wide]
            both = seen.present & (within[part] > 0)
            share = int(both.sum()) / whole
            if share >= INSIDE:
                best = max(best, share * _likeness(known[part], seen.cells, both.astype(np.float32)))
    return best


def _likeness(one: Float, other: Float, both: Float) -> float:
    """Concordance (correlation, less where contrasts differ) in a window around each cell, in the mean over
    those where either shows something."""
    count = np.maximum(_window(both), 1e-6)
    one, other = one * both, other * both
    mean, other_mean = _window(one) / count, _window(other) / count
    varies = np.maximum(_window(one * one) / count - mean**2, 0)
    other_varies = np.maximum(_window(other * other) / count - other_mean**2, 0)
    shared = _window(one * other) / count - mean * other_mean
    alike = 2 * shared / (varies + other_varies + 2 * NOISE)
    counts = np.minimum(np.sqrt(np.maximum(varies, other_varies)) / PLAIN, 1) * both
    return float((alike * counts).sum() / (counts.sum() + DOUBT))


def _window(cells: Float) -> Float:
    return np.asarray(cv2.blur(cells, (WINDOW, WINDOW), borderType=cv2.BORDER_CONSTANT), np.float32)


def _means(chips: npt.NDArray[np.generic]) -> Float:
    """[rows · PER_CELL, columns · PER_CELL] → [rows, columns]"""
    high, wide = chips.shape
    split = (high // PER_CELL, PER_CELL, wide // PER_CELL, PER_CELL)
    return np.asarray(chips.reshape(split).mean((1, 3)), np.float32)
