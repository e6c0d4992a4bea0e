"""How much of a picture a watermark covers, and how it is kept within a bound."""

import bisect
import dataclasses

import numpy as np

from frontend.domain.picture import Watermark
from frontend.finishing.stamps import Stamps


def share(watermark: Watermark, width: int, height: int, stamps: Stamps) -> float:
    """Mean of alpha × opacity over the whole picture (width, height in pixels), as laid: 0 to 1."""
    if watermark.opacity == 0:
        return 0.0
    alpha = stamps.stamp(watermark, width, height)[..., 3]
    return int(alpha.sum(dtype=np.int64)) * watermark.opacity / (255 * 100 * width * height)


def within(watermark: Watermark, width: int, height: int, stamps: Stamps, most: float) -> Watermark:
    """In the largest scale up to its own that covers at most `most`; in scale 1 where each covers more."""

    def covered(scale: int) -> float:
        return share(dataclasses.replace(watermark, scale=scale), width, height, stamps)

    if most >= 1 or covered(watermark.scale) <= most:
        return watermark
    scales = range(2, watermark.scale)
    return dataclasses.replace(watermark, scale=1 + bisect.bisect_right(scales, most, key=covered))
