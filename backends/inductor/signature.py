"""Which tensors a compiled network takes.

It does not look by itself: a wrong size would read memory that is not the tensor's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from batching import BadTensors


@dataclass(frozen=True)
class Axis:
    """Sizes from `least` to `most`, in steps of `step`."""

    least: int
    most: int
    step: int

    def holds(self, size: int) -> bool:
        return self.least <= size <= self.most and size % self.step == 0

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.least} to {self.most}{steps}"


@dataclass(frozen=True)
class Input:
    dtype: str  # torch's word: float32
    dims: tuple[int | str, ...]  # a word is the name of an axis; axis 0 is the batch


@dataclass(frozen=True)
class Signature:
    axes: Mapping[str, Axis]
    inputs: Mapping[str, Input]

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """Raises KeyError and TypeError where the record is of another kind."""
        axes = {name: Axis(**axis) for name, axis in record["axes"].items()}
        inputs = {name: Input(one["dtype"], tuple(one["dims"])) for name, one in record["inputs"].items()}
        return cls(axes, inputs)

    def check(self, given: Mapping[str, tuple[str, Sequence[int]]]) -> int:
        """`given`: dtype and shape by name. Returns the batch size. Raises BadTensors."""
        if missing := sorted(set(self.inputs) - set(given)):
            raise BadTensors(f"input {missing[0]} is missing")
        sizes: dict[str, int] = {}
        for name, wanted in self.inputs.items():
            dtype, shape = given[name]
            if dtype != wanted.dtype:
                raise BadTensors(f"input {name}: expected {wanted.dtype}, got {dtype}")
            if len(shape) != len(wanted.dims):
                raise BadTensors(f"input {name}: expected {len(wanted.dims)} axes, got shape {list(shape)}")
            for dim, size in zip(wanted.dims, shape, strict=True):
                self._check_size(name, dim, size, sizes)
        return sizes["batch"]

    def _check_size(self, name: str, dim: int | str, size: int, sizes: dict[str, int]) -> None:
        if isinstance(dim, int):
            if size != dim:
                raise BadTensors(f"input {name}: expected a size of {dim}, got {size}")
        elif not self.axes[dim].holds(size):
            raise BadTensors(f"input {name}: {dim} must be {self.axes[dim]}, got {size}")
        elif sizes.setdefault(dim, size) != size:
            raise BadTensors(f"input {name}: {dim} is {size}, and {sizes[dim]} in another input")
