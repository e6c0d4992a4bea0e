"""What is left of a picture when the picture is taken away: the mark, and noise."""

import cv2
import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.codes import Float

REACH = 1.25
"""Blur that stands for the picture, in chips (its deviation)."""
LIMIT = 40.0
"""Grey levels beyond which a difference is an edge, not a mark."""
FLOOR = 3.0
"""Squared grey levels: the mark's own share of the noise, so that flat places do not count without end."""


def residual(grey: Float, chip: float) -> tuple[Float, Float]:
    """[H, W] twice: the residual in units that make all places equally trustworthy, and the weights used.

    `chip`: side of a chip in pixels. Correlation with what is divided by its local variance is the matched
    filter for a weak signal in noise of varying strength.
    """
    rest: Float = grey - cv2.GaussianBlur(grey, (0, 0), max(REACH * chip, 1.0))
    np.clip(rest, -LIMIT, LIMIT, out=rest)
    side = 2 * round(2 * max(chip, 1.5)) - 1
    variance = np.asarray(cv2.blur(rest * rest, (side, side)), np.float32)
    weights: Float = np.float32(1) / (variance + np.float32(FLOOR))
    return rest * weights, weights


def grey_of(pixels: npt.NDArray[np.uint8], longest: int) -> Float:
    """[H, W] of 0 to 255, no side longer than `longest`."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    factor = longest / max(grey.shape)
    if factor < 1:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return grey.astype(np.float32)
