from __future__ import annotations

from PIL import Image, ImageFilter

from demo.evaluation.sharpness import share
from demo.scenes.render import Pixels, render
from demo.scenes.scene import any_scene


def test_a_blurred_picture_has_lost_its_fine_gradients_first() -> None:
    import numpy as np

    real = render(any_scene(3), 640, 384)
    blurred: Pixels = np.array(Image.fromarray(real).filter(ImageFilter.GaussianBlur(1.5)))
    fine, middle, coarse = share([blurred], [real])
    assert fine < middle < coarse < 1
    assert share([real], [real]) == [1, 1, 1]
