"""The same inputs for every contender, by the names that the parts' tensors have."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from perf.limits.task import LimitsTask

SCALARS = {"sigma": 7.0, "sigma_next": 6.0, "guidance": 7.5}
TOKENS = 77


def inputs_of(shapes: Mapping[str, tuple[int, ...]], integers: frozenset[str]) -> dict[str, npt.NDArray[Any]]:
    """One sample. `integers`: names of those that are tokens."""
    return {
        name: np.full(shape, 320, np.int64) if name in integers else _numbers(name, shape)
        for name, shape in sorted(shapes.items())
    }


def shape_of(free: tuple[int | None, ...], task: LimitsTask) -> tuple[int, ...]:
    """A declared shape; its free axes are the batch and the latents' sides, or the number of tokens."""
    sides = (task.height, task.width) if len(free) == 4 else (TOKENS,)
    free_sides = iter(sides)
    return (1, *(size or next(free_sides) for size in free[1:]))


def _numbers(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if name in SCALARS:
        return np.full(shape, SCALARS[name], np.float32)
    return np.random.default_rng(len(name)).standard_normal(shape, np.float32)
