from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from demo.scenes.render import render
from demo.scenes.scene import Scene, any_scene, character_scene
from demo.scenes.styles import STYLES, Style


def test_same_seed_draws_the_same_bytes() -> None:
    assert np.array_equal(render(any_scene(7), 320, 192), render(any_scene(7), 320, 192))


def test_another_seed_draws_another_picture() -> None:
    assert not np.array_equal(render(any_scene(7), 320, 192), render(any_scene(8), 320, 192))


@pytest.mark.parametrize("seed", range(24))
def test_every_scene_fills_every_shape(seed: int) -> None:
    for size in ((320, 192), (192, 320), (256, 256)):
        pixels = render(any_scene(seed), *size)
        assert pixels.shape == (size[1], size[0], 3)
        assert pixels.dtype == np.uint8
        assert pixels.std() > 5


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_style_changes_the_picture(style: Style) -> None:
    scene = character_scene("aya", 1)
    other = STYLES[0] if style != STYLES[0] else STYLES[1]
    assert not np.array_equal(_drawn(scene, style), _drawn(scene, other))


def test_pixel_art_is_made_of_blocks() -> None:
    pixels = _drawn(any_scene(3), STYLES[-1])
    assert np.array_equal(pixels[::4, ::4].repeat(4, 0).repeat(4, 1), pixels)


def _drawn(scene: Scene, style: Style) -> np.ndarray:
    return render(replace(scene, style=style), 320, 192)
