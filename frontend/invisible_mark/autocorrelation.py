"""Where a picture's residual looks like itself moved: a periodic mark shows as a lattice of peaks."""

import cv2
import numpy as np

from frontend.invisible_mark.codes import Float
from frontend.invisible_mark.spectrum import power_of, radii, ring_means

LOWEST, HIGHEST = 0.008, 0.42
"""Band in cycles per pixel: below is the picture, above is what compression adds."""
STRONGEST = 8.0
"""A frequency that stands out of its ring by more is a pattern of the picture's own."""
FARTHEST = 620
"""Pixels of the longest shift that is looked at."""


def autocorrelation(residual: Float) -> Float:
    """[2R + 1, 2R' + 1], the middle is shift (0, 0), in units of its own local noise. Positive where the
    residual repeats, negative where it repeats with the opposite sign."""
    height, width = residual.shape
    high, wide = (min(FARTHEST, side * 3 // 4) for side in (height, width))
    rows, columns = (
        2 * cv2.getOptimalDFTSize(-(-(side + reach) // 2)) for side, reach in ((height, high), (width, wide))
    )
    spectrum = np.fft.rfft2(residual, s=(rows, columns))
    power = _whiten(power_of(spectrum), (rows, columns))
    shifts = np.fft.irfft2(power, s=(rows, columns)).astype(np.float32)
    middle = np.roll(shifts, (high, wide), (0, 1))[: 2 * high + 1, : 2 * wide + 1]
    return _standardise(np.ascontiguousarray(middle))


def _whiten(power: Float, shape: tuple[int, int]) -> Float:
    """Every wavelength counts the same, whatever the picture has most of."""
    radius = radii(shape)
    flat = np.minimum(power / ring_means(power, radius), STRONGEST)
    flat[(radius < LOWEST) | (radius > HIGHEST)] = 0
    result: Float = flat
    return result


def _standardise(shifts: Float) -> Float:
    """Less its surroundings and in units of them: lines through the middle come from straight edges."""
    smooth = cv2.GaussianBlur(shifts, (0, 0), 0.8)
    rest = smooth - cv2.blur(smooth, (21, 21))
    clipped = np.clip(rest, -6 * rest.std(), 6 * rest.std())
    scale = np.sqrt(cv2.blur(clipped * clipped, (41, 41))) + np.float32(1e-12)
    standardised: Float = rest / scale
    return standardised
