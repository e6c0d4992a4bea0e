"""One picture with flat places, edges and rough texture, marked once; and ways to treat it badly."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from frontend.invisible_mark.codes import Codes
from frontend.invisible_mark.writing import write

Pixels = npt.NDArray[np.uint8]
IDENTITY = 0x9E3779B97F4A7C15


@pytest.fixture(scope="session")
def codes() -> Codes:
    return Codes.of(b"a secret for tests, 32 bytes long")


@pytest.fixture(scope="session")
def picture() -> Pixels:
    """[768, 1344, 3]"""
    height, width = 768, 1344
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    sky = np.stack([90 + 60 * down / height, 140 + 70 * down / height, 215 + 20 * across / width], -1)
    canvas = sky.astype(np.uint8)
    cv2.rectangle(canvas, (0, 520), (width, height), (96, 150, 84), -1)
    cv2.circle(canvas, (1060, 170), 90, (245, 210, 90), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (250, 300), (620, 620), (190, 90, 70), -1)
    cv2.line(canvas, (230, 300), (435, 150), (40, 30, 50), 12, cv2.LINE_AA)
    cv2.line(canvas, (435, 150), (640, 300), (40, 30, 50), 12, cv2.LINE_AA)
    grass = np.random.default_rng(3).normal(0, 9, (height - 680, width, 1))
    canvas[680:] = np.clip(canvas[680:] + grass, 0, 255).astype(np.uint8)
    return canvas


@pytest.fixture(scope="session")
def marked(picture: Pixels, codes: Codes) -> Pixels:
    return write(picture, IDENTITY, codes)
