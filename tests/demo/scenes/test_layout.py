from __future__ import annotations

import pytest

from demo.scenes.layout import layout
from demo.scenes.scene import any_scene


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize(("width", "height"), [(42, 24), (24, 42), (20, 12)])
def test_everything_stands_on_the_grid(seed: int, width: int, height: int) -> None:
    square = 1 / height
    for spot in layout(any_scene(seed), width / height, square):
        for length in (spot.x, spot.y, spot.height / 2):
            assert length / square == pytest.approx(round(length / square))
        assert spot.height > 0


def test_a_relation_has_one_arrangement_and_a_place_alone_has_none() -> None:
    """Of two, a small model draws both at once."""
    sides: dict[str, set[bool]] = {}
    higher: dict[str, set[bool]] = {}
    for seed in range(400):
        scene = any_scene(seed)
        spots = layout(scene, 42 / 24, 1 / 24)
        if scene.main is None:
            assert spots == ()
        if scene.relation:
            other, main = spots
            sides.setdefault(scene.relation, set()).add(main.x > other.x)
            higher.setdefault(scene.relation, set()).add(main.y > other.y)
    assert sides.pop("left of") == {False}
    assert sides.pop("right of") == {True}
    assert sides["in front of"] == {True}
    assert higher["above"] == {True}
    assert higher["under"] == higher["in front of"] == {False}
