"""Some successive rows of a partition, on their way to disk or back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from frontend.cache.index.item import Vector


@dataclass(frozen=True)
class Block:
    orders: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]
    nodes: npt.NDArray[np.int64]
    names: Sequence[str]  # "" where the row is dead
    payloads: Sequence[bytes]
    vectors: Vector  # [n, dimension] of the last n rows, dead ones included
