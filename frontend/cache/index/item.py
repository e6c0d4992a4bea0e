"""What is put into the index, and what comes out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]

NAME_MOST = 255  # bytes
PAYLOAD_MOST = 64 * 1024
LABELS_MOST = 16  # in the name of a partition
LENGTH_SLACK = 1e-3


@dataclass(frozen=True, slots=True)
class Item:
    """Raises ValueError where a part of it is too large."""

    name: str  # the picture's gen_id
    partition: tuple[str, ...]  # model, style, character, …: only items of the same are ever compared
    time_ms: int  # since 1970
    vector: Vector  # [dimension], of unit length
    payload: bytes  # opaque here

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) <= NAME_MOST:
            raise ValueError(f"a name has 1 to {NAME_MOST} bytes: {self.name[:40]!r}")
        if len(self.payload) > PAYLOAD_MOST:
            raise ValueError(
                f"{self.name}: the payload has {len(self.payload)} bytes, at most {PAYLOAD_MOST}"
            )
        if len(self.partition) > LABELS_MOST or any(
            len(part.encode()) > NAME_MOST for part in self.partition
        ):
            raise ValueError(f"{self.name}: a partition has at most {LABELS_MOST} parts of {NAME_MOST} bytes")
        if not 0 <= self.time_ms < 2**63:
            raise ValueError(f"{self.name}: {self.time_ms} is no time")


@dataclass(frozen=True, slots=True)
class Match:
    name: str
    similarity: float  # cosine
    payload: bytes


def check_vector(vector: Vector, dimension: int, name: str) -> Vector:
    """float32, contiguous. Raises ValueError unless it has `dimension` finite numbers and unit length."""
    plain = np.ascontiguousarray(vector, np.float32)
    if plain.shape != (dimension,):
        raise ValueError(f"{name}: the vector has shape {plain.shape}, not ({dimension},)")
    length = float(np.dot(plain, plain))
    if not abs(length - 1) <= LENGTH_SLACK:  # also where it is not a number
        raise ValueError(f"{name}: the vector must have unit length, its square is {length:.4g}")
    return plain
