"""How much of a picture a watermark covers: what is told is what is laid."""

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from frontend.domain.picture import Watermark
from frontend.finishing.coverage import share, within
from frontend.finishing.stamps import Stamps
from frontend.finishing.watermark import lay

from .pictures import black, block, file_of, mark

WHITE = (255, 255, 255, 255)


def disc() -> bytes:
    image = Image.new("RGBA", (120, 80), (255, 255, 255, 0))
    ImageDraw.Draw(image).ellipse((10, 10, 110, 70), fill=(255, 255, 255, 180))
    return file_of(image)


@given(
    scale=st.integers(1, 100),
    opacity=st.integers(0, 100),
    rotation=st.integers(-360, 360),
    padding=st.integers(0, 500),
    image=st.sampled_from([block(40, 20, WHITE), block(20, 90, WHITE), block(300, 200, WHITE), disc()]),
)
@example(scale=100, opacity=100, rotation=0, padding=0, image=block(200, 100, WHITE))
@example(scale=100, opacity=100, rotation=45, padding=500, image=block(4, 400, WHITE))
@settings(max_examples=60, deadline=None)
def test_share_is_what_a_white_mark_does_to_a_black_picture(
    scale: int, opacity: int, rotation: int, padding: int, image: bytes
) -> None:
    what = mark(image, scale=scale, opacity=opacity, rotation=rotation, padding_x=padding, padding_y=padding)
    white = lay(black(), what, Stamps()).mean() / 255
    assert share(what, 200, 100, Stamps()) == pytest.approx(white, abs=0.003)


def test_mark_of_full_size_and_opacity_covers_all() -> None:
    assert share(mark(block(200, 100), scale=100), 200, 100, Stamps()) == 1


def test_clear_mark_covers_nothing() -> None:
    for what in (mark(opacity=0), mark(block(colour=(255, 0, 0, 0)))):
        assert share(what, 200, 100, Stamps()) == 0


def scaled(what: Watermark, scale: int) -> Watermark:
    return dataclasses.replace(what, scale=scale)


@pytest.mark.parametrize("image", [block(200, 100), block(40, 160), disc()])
@pytest.mark.parametrize("rotation", [0, 30])
@pytest.mark.parametrize("most", [0.02, 0.1, 0.35, 1.0])
def test_bound_leaves_the_largest_scale_that_is_within(image: bytes, rotation: int, most: float) -> None:
    asked, stamps = mark(image, scale=90, rotation=rotation), Stamps()
    shares = {scale: share(scaled(asked, scale), 200, 100, stamps) for scale in range(1, 91)}
    kept = within(asked, 200, 100, stamps, most)
    assert kept == scaled(asked, kept.scale)
    assert shares[kept.scale] <= most
    assert kept.scale == max(scale for scale in shares if shares[scale] <= most)


def test_mark_within_the_bound_is_left_as_it_is() -> None:
    asked = mark(scale=10)
    assert within(asked, 200, 100, Stamps(), 0.02) is asked


@pytest.mark.parametrize("width", [64, 1344])
def test_least_bound_holds_for_the_tallest_mark(width: int) -> None:
    """The setting's least value is one that a mark of scale 1 meets in every picture of the API."""
    tall, stamps = mark(block(1, 400), scale=100), Stamps()
    if width > 500:
        assert share(within(tall, width, 768, stamps, 0.02), width, 768, stamps) <= 0.02
    assert within(tall, width, 64, stamps, 0.0).scale == 1


def test_picture_is_not_needed_to_tell() -> None:
    before = np.array(black())
    within(mark(scale=80), 200, 100, Stamps(), 0.1)
    assert (before == black()).all()
