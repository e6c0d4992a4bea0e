"""Contact sheets: many pictures in one, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from demo.scenes.render import Pixels


def sheet(pictures: Sequence[Pixels], columns: int, path: Path, width: int = 320) -> None:
    """Scales each picture to `width` pixels; all must have one shape. Written beside and renamed."""
    height, side = pictures[0].shape[:2]
    tall = round(width * height / side)
    rows = -(-len(pictures) // columns)
    canvas = Image.new("RGB", (columns * (width + 4), rows * (tall + 4)), "white")
    for number, pixels in enumerate(pictures):
        small = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, tall), Image.Resampling.LANCZOS)
        canvas.paste(small, (number % columns * (width + 4), number // columns * (tall + 4)))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".tmp{path.suffix}")
    canvas.save(beside, quality=88)  # of a JPEG; a PNG takes no notice
    beside.replace(path)
