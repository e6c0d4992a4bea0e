import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from frontend.domain.picture import Watermark
from frontend.finishing.stamps import Stamps

from .pictures import block, file_of, mark


def many(count: int) -> list[Watermark]:
    return [mark(block(40, 20, (value, 0, 0, 255)), scale=50) for value in range(count)]


def test_same_order_is_made_once() -> None:
    stamps = Stamps()
    assert stamps.stamp(mark(), 200, 100) is stamps.stamp(mark(position="top", opacity=5), 200, 100)


@pytest.mark.parametrize(
    ("other", "size"),
    [
        (mark(scale=11), (200, 100)),
        (mark(rotation=1), (200, 100)),
        (mark(block(40, 20, (0, 0, 255, 255))), (200, 100)),
        (mark(), (100, 200)),
    ],
)
def test_another_order_gets_its_own(other: Watermark, size: tuple[int, int]) -> None:
    stamps = Stamps()
    first = stamps.stamp(mark(), 200, 100)
    found = stamps.stamp(other, *size)
    assert found is not first
    assert (found == Stamps().stamp(other, *size)).all()


def test_room_is_bounded_and_the_least_used_go() -> None:
    stamps = Stamps(100_000)
    orders = many(12)  # 23,200 bytes each, decoded and stamp
    first = stamps.stamp(orders[0], 200, 100)
    for order in orders[1:3]:
        stamps.stamp(order, 200, 100)
    assert stamps.stamp(orders[0], 200, 100) is first
    for order in orders[3:6]:
        stamps.stamp(order, 200, 100)
        stamps.stamp(orders[0], 200, 100)
    assert stamps.stamp(orders[0], 200, 100) is first
    for order in orders[6:]:
        stamps.stamp(order, 200, 100)
    assert stamps.stamp(orders[0], 200, 100) is not first
    assert 0 < stamps.held_bytes <= 100_000


def test_huge_watermark_is_not_kept_but_its_stamp_is() -> None:
    stamps = Stamps(4_000_000)
    order = mark(file_of(Image.new("RGBA", (1000, 1000), "red")), scale=10)
    first = stamps.stamp(order, 200, 100)
    assert stamps.stamp(order, 200, 100) is first
    assert stamps.held_bytes == first.nbytes


def test_kept_stamp_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Stamps().stamp(mark(), 200, 100)[:] = 0


def test_damaged_watermark_leaves_nothing_behind() -> None:
    stamps = Stamps()
    with pytest.raises(ValueError, match="no watermark"):
        stamps.stamp(replace(mark(), image=block()), 200, 100)
    assert stamps.held_bytes == 0


def test_colour_never_exceeds_its_alpha() -> None:
    """Fine stripes are where resampling overshoots."""
    stripes = np.zeros((120, 120, 4), np.uint8)
    stripes[:, ::3] = (255, 40, 40, 255)
    stripes[::7] = (10, 200, 255, 90)
    for rotation in (0, 23):
        order = mark(file_of(Image.fromarray(stripes, "RGBA")), scale=33, rotation=rotation)
        found = Stamps().stamp(order, 200, 200)
        assert (found[..., :3] <= found[..., 3:]).all()


def test_threads_share_what_is_kept() -> None:
    stamps, seen = Stamps(200_000), list[bool]()

    def work() -> None:
        for order in many(20):
            found = stamps.stamp(order, 200, 100)
            seen.append(bool((found == Stamps().stamp(order, 200, 100)).all()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 80
    assert stamps.held_bytes <= 200_000
