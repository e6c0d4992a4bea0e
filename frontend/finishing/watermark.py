"""The visible watermark: laying the client's picture over ours."""

import numpy as np

from frontend.domain.picture import Watermark
from frontend.finishing.anchor import anchor
from frontend.finishing.stamps import Pixels, Stamps


def lay(pixels: Pixels, watermark: Watermark, stamps: Stamps) -> Pixels:
    """`pixels` [H,W,3] with the mark over them; the argument itself is not changed.

    The mark keeps its aspect, is turned about its centre and always lies wholly inside the picture: one that
    is too large is shrunk, and padding gives way before the mark does.
    """
    if watermark.opacity == 0:
        return pixels
    height, width = pixels.shape[:2]
    stamp = stamps.stamp(watermark, width, height)
    high, wide = stamp.shape[:2]
    place = anchor(watermark.position)
    left = _offset(place.x, width - wide, watermark.padding_x)
    top = _offset(place.y, height - high, watermark.padding_y)
    marked = pixels.copy()
    under = marked[top : top + high, left : left + wide]
    under[:] = _blend(under, stamp, watermark.opacity / 100)
    return marked


def _offset(fraction: float, free: int, padding: int) -> int:
    wanted = {0.0: padding, 1.0: free - padding}.get(fraction, free // 2)
    return min(max(0, wanted), max(0, free))


def _blend(under: Pixels, stamp: Pixels, opacity: float) -> Pixels:
    """Source over, on premultiplied colours: stamp [h,w,4] over under [h,w,3]."""
    colour = stamp[..., :3].astype(np.float32) * np.float32(opacity)
    clear = 1 - stamp[..., 3:].astype(np.float32) * np.float32(opacity / 255)
    mixed: Pixels = np.clip(np.rint(under * clear + colour), 0, 255).astype(np.uint8)
    return mixed
