"""Golden pictures of the visible watermark: one sheet per scale, a row per rotation, a column per position.

python -m tests.frontend.finishing.golden   writes them anew; then look at every sheet.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from frontend.finishing.stamps import Stamps
from frontend.finishing.watermark import lay

from .pictures import file_of, mark

FOLDER = Path(__file__).with_name("golden")
WIDTH, HEIGHT = 120, 80
SCALES = (5, 25, 60, 100)
ROTATIONS = (0, 30, 90, 135, 180, 270, -45, 360)
POSITIONS = (
    *("top-left", "top", "top-right"),
    *("left", "center", "right"),
    *("bottom-left", "bottom", "bottom-right"),
)

Pixels = npt.NDArray[np.uint8]


def ground() -> Pixels:
    """Two greys in large squares: what is transparent shows."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH] // 20
    grey = np.where((down + across) % 2, 150, 90).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def flag() -> bytes:
    """Different at every side: a blue pole at the left, a red cloth at the top, a see-through white panel."""
    image = Image.new("RGBA", (240, 160), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((0, 0, 239, 159), 40, fill=(255, 255, 255, 128))
    draw.polygon([(40, 10), (220, 50), (40, 90)], fill=(230, 30, 30, 255))
    draw.rectangle((20, 10, 40, 150), fill=(30, 60, 230, 255))
    draw.ellipse((150, 95, 210, 150), fill=(40, 200, 80, 255))
    return file_of(image)


def made(scale: int, rotation: int, position: str, stamps: Stamps) -> Pixels:
    order = mark(flag(), scale=scale, rotation=rotation, position=position, padding_x=6, padding_y=4)
    return lay(ground(), order, stamps)


def place(rotation: int, position: str) -> tuple[slice, slice]:
    """Where in a sheet."""
    top, left = ROTATIONS.index(rotation) * HEIGHT, POSITIONS.index(position) * WIDTH
    return slice(top, top + HEIGHT), slice(left, left + WIDTH)


def path(scale: int) -> Path:
    return FOLDER / f"scale-{scale}.png"


def sheet(scale: int) -> Pixels:
    stamps, whole = Stamps(), np.zeros((HEIGHT * len(ROTATIONS), WIDTH * len(POSITIONS), 3), np.uint8)
    for rotation in ROTATIONS:
        for position in POSITIONS:
            whole[place(rotation, position)] = made(scale, rotation, position, stamps)
    return whole


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for scale in SCALES:
        Image.fromarray(sheet(scale)).save(path(scale), optimize=True)


if __name__ == "__main__":
    main()
