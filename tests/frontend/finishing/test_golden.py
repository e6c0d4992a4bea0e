"""Every position, rotation and scale of the visible watermark, against pictures that were looked at."""

from functools import cache

import numpy as np
import pytest
from PIL import Image

from frontend.finishing.stamps import Stamps

from .golden import POSITIONS, ROTATIONS, SCALES, Pixels, made, path, place

ROUNDING = 3  # of 255: what another version of the resampling library may differ by


@cache
def golden(scale: int) -> Pixels:
    with Image.open(path(scale)) as image:
        return np.asarray(image)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("rotation", ROTATIONS)
@pytest.mark.parametrize("position", POSITIONS)
def test_mark_lies_as_in_its_golden_picture(scale: int, rotation: int, position: str) -> None:
    found = made(scale, rotation, position, Stamps()).astype(int)
    assert np.abs(found - golden(scale)[place(rotation, position)]).max() <= ROUNDING


@pytest.mark.parametrize("scale", SCALES)
def test_golden_pictures_differ_where_orders_do(scale: int) -> None:
    """A sheet of one picture over and over would let everything pass. A full turn is no turn."""
    turns = [rotation for rotation in ROTATIONS if rotation != 360]
    pictures = {golden(scale)[place(turn, position)].tobytes() for turn in turns for position in POSITIONS}
    # What fills the picture in one direction has fewer places, or one.
    assert len(pictures) >= len(turns) * (len(POSITIONS) if scale <= 25 else 1)
