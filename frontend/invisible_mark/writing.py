"""Lays the mark into a picture."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.codes import SIDE, Codes, Float

Pixels = npt.NDArray[np.uint8]

CHIP = 4
"""Pixels of a chip's side where the mark is laid; a tile is 256 pixels."""
FAINTEST, STRONGEST = 1.6, 8.0
"""Height of a chip in grey levels: in flat places, where an eye would find it first, and in rich texture."""
TEXTURE = 0.6
"""What one grey level of texture adds."""
EDGE = 16
"""Grey levels beyond which a difference is an edge, of a letter say, and hides no more."""


def write(pixels: Pixels, identity: int, codes: Codes) -> Pixels:
    """A marked copy of `pixels` [H, W, 3]: the same change in all three channels, so that no hue shifts."""
    height, width = pixels.shape[:2]
    rows, columns = -(-height // CHIP), -(-width // CHIP)
    chips = _tile(codes.tile(identity), rows, columns) * strength(pixels, rows, columns)
    change = cv2.resize(chips, (columns * CHIP, rows * CHIP), interpolation=cv2.INTER_CUBIC)[:height, :width]
    lighter, darker = (_part(change, sign) for sign in (cv2.THRESH_TOZERO, cv2.THRESH_TRUNC))
    marked = cv2.subtract(cv2.add(pixels, lighter), darker)  # both stop at 0 and 255
    return np.asarray(marked, np.uint8)


def _part(change: npt.NDArray[np.integer[Any] | np.floating[Any]], sign: int) -> Pixels:
    """[H, W, 3]: what is above 0 (TOZERO) or below (TRUNC), without its sign, rounded."""
    rounded = cv2.convertScaleAbs(cv2.threshold(change, 0, 0, sign)[1])
    return np.asarray(cv2.merge([rounded] * 3), np.uint8)


def strength(pixels: Pixels, rows: int, columns: int) -> Float:
    """[rows, columns]: as strong as the texture around a chip hides. A lone edge hides nothing beside it, so
    what is narrower than three chips does not count."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rough = cv2.threshold(cv2.absdiff(grey, cv2.blur(grey, (5, 5))), EDGE, EDGE, cv2.THRESH_TRUNC)[1]
    texture = cv2.resize(rough, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    broad = cv2.blur(cv2.erode(texture, np.ones((3, 3), np.uint8)), (5, 5))
    levels: Float = np.clip(FAINTEST + TEXTURE * broad, FAINTEST, STRONGEST)
    return levels


def _tile(tile: Float, rows: int, columns: int) -> Float:
    """The tile over and over, every second one with the opposite sign, as on a chessboard."""
    pair = np.block([[tile, -tile], [-tile, tile]])
    period = 2 * SIDE
    whole: Float = np.tile(pair, (-(-rows // period), -(-columns // period)))[:rows, :columns]
    return whole
