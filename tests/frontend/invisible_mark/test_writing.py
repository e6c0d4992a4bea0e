import numpy as np

from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.writing import STRONGEST, write

from .conftest import IDENTITY, Pixels


def test_change_stays_above_42_db_and_within_the_strongest_chip(picture: Pixels, marked: Pixels) -> None:
    change = marked.astype(np.int16) - picture
    assert 10 * np.log10(255**2 / np.square(change).mean()) > 42
    assert np.abs(change).max() <= np.ceil(1.5 * STRONGEST)


def test_flat_places_are_changed_less_than_rough_ones(picture: Pixels, marked: Pixels) -> None:
    change = np.square(marked.astype(np.int16) - picture)
    assert change[20:240, 50:200].mean() < change[700:750].mean() / 4


def test_hues_stay(picture: Pixels, marked: Pixels) -> None:
    inner = ((picture > 20) & (picture < 235)).all(-1)
    change = (marked.astype(np.int16) - picture)[inner]
    assert (change == change[:, :1]).all()


def test_picture_given_stays_as_it_is(picture: Pixels, codes: Codes) -> None:
    before = picture.copy()
    write(picture, IDENTITY, codes)
    assert np.array_equal(picture, before)


def test_any_size_can_be_marked(codes: Codes) -> None:
    for shape in ((1, 1, 3), (7, 300, 3), (301, 259, 3)):
        assert write(np.full(shape, 128, np.uint8), IDENTITY, codes).shape == shape


def test_black_and_white_do_not_wrap_round(codes: Codes) -> None:
    for level in (0, 255):
        marked = write(np.full((300, 300, 3), level, np.uint8), IDENTITY, codes)
        assert np.abs(marked.astype(np.int16) - level).max() < 20


def test_average_of_a_pictures_tiles_gives_nothing_away(codes: Codes) -> None:
    flat = np.full((1024, 1024, 3), 128, np.uint8)
    change = write(flat, IDENTITY, codes).astype(np.float32)[..., 0] - 128
    average = change.reshape(4, 256, 4, 256).mean((0, 2))
    assert np.square(average).mean() < np.square(change).mean() / 50


def test_pattern_of_one_picture_is_not_that_of_another(codes: Codes) -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    one, other = (write(flat, number << 58, codes).astype(np.float32)[..., 0] - 128 for number in (3, 4))
    assert abs(float(np.corrcoef(one.ravel(), other.ravel())[0, 1])) < 0.1
