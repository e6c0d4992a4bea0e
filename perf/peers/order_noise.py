"""Our first noise for contenders that take a tensor: the code that the server runs."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parents[2] / "model_repository" / "text_to_image" / "1"))

from noise import standard_noise

CHANNELS, DOWNSCALE = 4, 8  # of SD 1.5's and SDXL's latents


def noise_of(order: dict[str, Any]) -> npt.NDArray[np.float32]:
    """[1, 4, height / 8, width / 8]"""
    shape = (1, CHANNELS, order["height"] // DOWNSCALE, order["width"] // DOWNSCALE)
    return standard_noise(order["seed"], shape)
