from __future__ import annotations

from random import Random

import pytest

from demo.scenes.layout import layout
from demo.scenes.scene import any_scene


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(("width", "height"), [(42, 24), (24, 42), (20, 12)])
def test_everything_stands_on_the_grid(seed: int, width: int, height: int) -> None:
    square = 1 / height
    for spot in layout(any_scene(seed), width / height, square, Random(seed)):
        for length in (spot.x, spot.y, spot.height / 2):
            assert length / square == pytest.approx(round(length / square))
        assert spot.height > 0
