import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from frontend.domain.picture import Watermark
from frontend.finishing.stamps import Stamps
from frontend.finishing.watermark import lay

from .pictures import black, block, file_of, mark, scene


def laid(pixels: npt.NDArray[np.uint8], what: Watermark) -> npt.NDArray[np.uint8]:
    return lay(pixels, what, Stamps())


def changed(pixels: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """left, top, right, bottom (exclusive) of what is not black."""
    box = Image.fromarray(pixels).convert("L").getbbox()
    assert box
    return box


@pytest.mark.parametrize(
    ("position", "box"),
    [
        ("top-left", (7, 5, 27, 15)),
        ("top", (90, 5, 110, 15)),
        ("top-right", (173, 5, 193, 15)),
        ("left", (7, 45, 27, 55)),
        ("center", (90, 45, 110, 55)),
        ("right", (173, 45, 193, 55)),
        ("bottom-left", (7, 85, 27, 95)),
        ("bottom", (90, 85, 110, 95)),
        ("bottom-right", (173, 85, 193, 95)),
        ("nowhere", (173, 85, 193, 95)),
    ],
)
def test_mark_lies_at_its_anchor(position: str, box: tuple[int, int, int, int]) -> None:
    marked = laid(black(), mark(position=position, padding_x=7, padding_y=5))
    assert changed(marked) == box
    assert (marked[box[1] : box[3], box[0] : box[2]] == (255, 0, 0)).all()


@pytest.mark.parametrize(("scale", "width"), [(1, 2), (5, 10), (50, 100), (100, 200)])
def test_scale_is_percent_of_the_pictures_width(scale: int, width: int) -> None:
    left, top, right, bottom = changed(laid(black(), mark(block(400, 200), scale=scale)))
    assert (right - left, bottom - top) == (width, width // 2)


def test_too_tall_a_mark_is_shrunk_whole() -> None:
    left, top, right, bottom = changed(laid(black(), mark(block(20, 80), scale=100, position="center")))
    assert (right - left, bottom - top) == (25, 100)


def test_padding_gives_way_before_the_mark_leaves() -> None:
    assert changed(laid(black(), mark(padding_x=500, padding_y=500))) == (0, 0, 20, 10)


def test_opacity_mixes() -> None:
    grey = np.full((100, 200, 3), 100, np.uint8)
    assert (laid(grey, mark(opacity=50))[85, 180] == (178, 50, 50)).all()
    assert (laid(grey, mark(opacity=0)) == grey).all()


def test_alpha_of_the_mark_counts() -> None:
    grey = np.full((100, 200, 3), 100, np.uint8)
    half = laid(grey, mark(block(colour=(255, 255, 255, 51))))
    assert (half[85, 180] == 131).all()


def test_resized_edges_have_no_dark_fringe() -> None:
    """Clear pixels are black underneath: averaged without their alpha they darken a white disc's edge."""
    disc = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    ImageDraw.Draw(disc).ellipse((40, 40, 360, 360), fill=(255, 255, 255, 255))
    white = np.full((100, 200, 3), 255, np.uint8)
    for rotation in (0, 33):
        assert laid(white, mark(file_of(disc), scale=20, rotation=rotation)).min() >= 253


def test_quarter_turn_is_counter_clockwise() -> None:
    half_red = Image.new("RGBA", (40, 20), (0, 0, 255, 255))
    half_red.paste((255, 0, 0, 255), (20, 0, 40, 20))
    marked = laid(black(), mark(file_of(half_red), rotation=90, scale=20, position="top-left"))
    assert changed(marked) == (10, 10, 30, 50)
    assert marked[15, 20].tolist() == [255, 0, 0]
    assert marked[45, 20].tolist() == [0, 0, 255]


def test_turning_keeps_the_centre() -> None:
    left, top, right, bottom = changed(laid(black(), mark(rotation=30, scale=20, position="center")))
    assert abs((left + right) / 2 - 100) <= 1
    assert abs((top + bottom) / 2 - 50) <= 1


def test_phone_photo_is_laid_upright() -> None:
    photo = Image.new("RGB", (40, 20), "blue")
    photo.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: red on top
    data = file_of(photo, "JPEG", quality=100, subsampling=0, exif=exif)
    marked = laid(black(), mark(data, scale=10, position="top-left", padding_x=0, padding_y=0))
    assert changed(marked) == (0, 0, 20, 40)
    assert marked[5, 10, 0] > 200
    assert marked[35, 10, 2] > 200


def test_sixteen_bit_grey_is_not_clipped() -> None:
    grey = Image.fromarray(np.full((20, 40), 0x8000, np.uint16))
    assert (laid(black(), mark(file_of(grey)))[85, 180] == 128).all()


def test_picture_that_came_in_is_not_changed() -> None:
    pixels = scene()
    before = pixels.copy()
    assert (laid(pixels, mark()) != before).any()
    assert (pixels == before).all()


marks = st.builds(
    mark,
    image=st.builds(block, st.integers(1, 90), st.integers(1, 90)),
    position=st.text(max_size=8) | st.sampled_from(["top", "left", "center", "bottomLeft", "top-right"]),
    scale=st.integers(1, 100),
    opacity=st.integers(0, 100),
    rotation=st.integers(-360, 360),
    padding_x=st.integers(0, 500),
    padding_y=st.integers(0, 500),
)


@given(what=marks, width=st.integers(16, 130), height=st.integers(16, 130))
@example(what=mark(block(4096, 1), scale=100, rotation=45), width=16, height=130)
@example(what=mark(block(1, 4096), scale=100, rotation=-360), width=130, height=16)
@settings(max_examples=200, deadline=None)
def test_no_mark_leaves_the_picture_or_fails(what: Watermark, width: int, height: int) -> None:
    """An offset outside the picture would make an empty slice, and laying into that fails."""
    marked = laid(black(width, height), what)
    assert marked.shape == (height, width, 3)
    assert marked.dtype == np.uint8
    if what.opacity >= 20:
        assert marked.any()


@pytest.mark.parametrize("degrees", [-360, -217, -90, -45, 1, 30, 89, 180, 315, 360])
def test_turned_mark_is_never_cut_off(degrees: int) -> None:
    """Whatever its direction, an opaque mark colours as much as its area is."""
    marked = laid(black(200, 200), mark(block(80, 40), scale=40, rotation=degrees))
    assert int(marked.sum()) == pytest.approx(255 * 80 * 40, rel=0.02)
