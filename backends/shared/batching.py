"""Requests of one execute() call become few calls of the network: equal shapes are joined along axis 0."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[np.generic]]  # by tensor name; axis 0 is the batch


class Shaped(Protocol):
    """NumPy's arrays and torch's tensors."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


Array = TypeVar("Array", bound=Shaped)


class BadTensors(Exception):
    """One request's tensors do not fit the network; the text is one line."""


@dataclass(frozen=True)
class TensorRule:
    """What the network declares of one input: its type, and its shape with None for a free axis."""

    dtype: np.dtype[np.generic]
    shape: tuple[int | None, ...]


def check(arrays: Arrays, rules: Mapping[str, TensorRule]) -> int:
    """The batch size of one request. Raises BadTensors where a tensor is missing or does not fit."""
    if missing := sorted(set(rules) - set(arrays)):
        raise BadTensors(f"input {missing[0]} is missing")
    for name, rule in rules.items():
        array = arrays[name]
        if array.dtype != rule.dtype:
            raise BadTensors(f"input {name}: expected {rule.dtype}, got {array.dtype}")
        if not _fits(array.shape, rule.shape):
            raise BadTensors(f"input {name}: expected shape {_shown(rule.shape)}, got {list(array.shape)}")
    sizes = {arrays[name].shape[0] for name in rules}
    if len(sizes) != 1 or 0 in sizes:
        raise BadTensors(f"inputs disagree about the batch size: {sorted(sizes)}")
    return int(sizes.pop())


def groups(requests: Mapping[int, Mapping[str, Shaped]]) -> list[list[int]]:
    """Keys of the requests that may be joined: all their tensors agree in every axis but the first."""
    found: dict[tuple[object, ...], list[int]] = {}
    for key, arrays in requests.items():
        shapes = tuple((name, tuple(arrays[name].shape[1:])) for name in sorted(arrays))
        found.setdefault(shapes, []).append(key)
    return list(found.values())


def join(
    requests: Sequence[dict[str, Array]], concatenate: Callable[[Sequence[Array]], Array]
) -> dict[str, Array]:
    if len(requests) == 1:
        return requests[0]
    return {name: concatenate([arrays[name] for arrays in requests]) for name in requests[0]}


def split(joined: Mapping[str, Array], sizes: Sequence[int]) -> list[dict[str, Array]]:
    """The reverse of `join` for the outputs. Raises BadTensors where an output has another batch size."""
    total = sum(sizes)
    for name, array in joined.items():
        if len(array.shape) == 0 or array.shape[0] != total:
            raise BadTensors(f"output {name} has shape {list(array.shape)} for a batch of {total}")
    return [
        {name: array[end - size : end] for name, array in joined.items()}
        for size, end in zip(sizes, accumulate(sizes), strict=True)
    ]


def is_finite(array: npt.NDArray[np.generic]) -> bool:
    return not np.issubdtype(array.dtype, np.floating) or bool(np.isfinite(array).all())


def _fits(shape: tuple[int, ...], rule: tuple[int | None, ...]) -> bool:
    return len(shape) == len(rule) and all(
        want in (None, have) for have, want in zip(shape, rule, strict=True)
    )


def _shown(rule: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("any" if size is None else str(size) for size in rule) + "]"
