"""Emphasis: embeddings times the weights of their tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_LEAST_MEAN = 1e-6  # of what the values are without their signs


def weigh(window: Array, weights: Sequence[Array], widths: Sequence[int]) -> Array:
    """One window's embeddings [tokens, width] by the weights [tokens] of each text encoder's tokens.

    `widths`: how many of the columns each encoder made; empty where the model's export does not tell, then
    they are weighed as one encoder's. As AUTOMATIC1111's web UI does it (modules/sd_emphasis.py, "Original"):
    each encoder's embeddings times the weights, then times what makes the mean over the whole window what it
    was. A window without weights stays as it is, to the bit.
    """
    if all((each == 1.0).all() for each in weights):
        return window
    if not widths:
        return _weigh(window, weights[0])
    columns = np.split(window, np.cumsum(widths)[:-1], axis=1)
    return np.concatenate([_weigh(*each) for each in zip(columns, weights, strict=True)], axis=1)


def _weigh(embeddings: Array, weights: Array) -> Array:
    weighed = embeddings * weights[:, np.newaxis]
    before, after = embeddings.mean(dtype=np.float64), weighed.mean(dtype=np.float64)
    if abs(after) <= _LEAST_MEAN * np.abs(weighed).mean():
        return weighed  # nothing but rounding errors, and their ratio could be anything
    return weighed * np.float32(before / after)
