"""Whether a picture agrees with the one that its mark was laid on."""

import numpy as np
import pytest

from frontend.domain.luma_grid import LumaGrid
from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.content import AGREES, CELL, agreement, align, luma_grid
from frontend.invisible_mark.reading import read
from frontend.invisible_mark.writing import write

from .conftest import IDENTITY, Pixels
from .test_reading import TREATMENTS, cropped, encoded, turned


def agreed(seen: Pixels, registered: Pixels, codes: Codes) -> float:
    reading = read(seen, [codes])
    assert reading is not None
    return agreement(align(seen, reading), luma_grid(registered))


def textured(number: int) -> Pixels:
    """[768, 1344, 3]: soft patches of brightness, other ones for each number."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 256, (12, 21), dtype=np.uint8).repeat(64, 0).repeat(64, 1)
    noise = random.normal(0, 6, coarse.shape)
    return np.clip(coarse + noise, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


FOREIGN: dict[str, Pixels] = {
    "texture": textured(1),
    "another texture": textured(2),
    "plain": np.full((768, 1344, 3), 128, np.uint8),
    "dark": np.full((768, 1344, 3), 2, np.uint8),
    "gradient": np.linspace(0, 255, 1344).astype(np.uint8)[None, :, None].repeat(768, 0).repeat(3, 2),
    "portrait": textured(3)[:, 300:1068],
}


@pytest.mark.parametrize("treatment", TREATMENTS)
def test_marked_picture_agrees_with_itself_whatever_was_done_to_it(
    treatment: str, marked: Pixels, codes: Codes
) -> None:
    assert agreed(TREATMENTS[treatment](marked), marked, codes) >= AGREES


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_picture_with_the_very_same_mark_does_not_agree(
    name: str, marked: Pixels, codes: Codes
) -> None:
    """As if the mark had been moved without any loss."""
    moved = write(FOREIGN[name], IDENTITY, codes)
    for seen in (moved, cropped(moved, 0.7), turned(moved, 5), encoded(moved, "JPEG", 75)):
        assert agreed(seen, marked, codes) < AGREES / 2


@pytest.mark.parametrize("name", ["plain", "dark"])
def test_even_picture_agrees_with_nothing(name: str, marked: Pixels, codes: Codes) -> None:
    even = write(FOREIGN[name], IDENTITY, codes)
    assert agreed(even, even, codes) < AGREES / 2
    assert agreed(marked, even, codes) < AGREES / 2


def test_piece_within_a_foreign_picture_does_not_agree_and_most_of_the_picture_does(
    marked: Pixels, codes: Codes
) -> None:
    collage = FOREIGN["texture"].copy()
    collage[:, :600] = marked[:, :600]
    assert agreed(collage, marked, codes) < AGREES
    collage[:, :1250] = marked[:, :1250]
    assert agreed(collage, marked, codes) >= AGREES


def test_picture_in_a_narrow_frame_agrees(marked: Pixels, codes: Codes) -> None:
    framed = np.pad(marked, ((40, 40), (40, 40), (0, 0)), constant_values=255)
    assert agreed(framed, marked, codes) >= AGREES


def test_grid_is_the_mean_of_each_whole_cell() -> None:
    pixels = np.zeros((2 * CELL + 5, 3 * CELL + 9, 3), np.uint8)
    pixels[CELL:, 2 * CELL :] = 200
    assert luma_grid(pixels) == LumaGrid(3, bytes([0, 0, 0, 0, 0, 200]))


def test_picture_smaller_than_a_cell_is_one_cell() -> None:
    assert luma_grid(np.full((1, 9, 3), 7, np.uint8)) == LumaGrid(1, b"\x07")


def test_smallest_grid_is_compared(marked: Pixels, codes: Codes) -> None:
    assert agreed(marked, np.zeros((1, 1, 3), np.uint8), codes) == 0
