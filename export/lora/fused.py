"""LoRA layers in the names of a model's own code, as layers in diffusers' names.

One layer there may be several here (queries, keys and values, whose rows lie one below the other), or have
its halves the other way round. So whatever reads a LoRA sees diffusers' names alone. Needs numpy only.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from export.errors import ExportError
from export.lora.adapters import Array, Layer, kind_of
from export.lora.keys import flatten

Source = Callable[[], Layer]
Strips = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class LayerRows:
    """What a layer of diffusers' is of another one."""

    path: str
    strips: Strips = ((0, 1),)  # of its rows, in this order, each from one to before another
    of: int = 1  # in which units: so many are the whole

    def rows(self, whole: int) -> npt.NDArray[np.intp]:
        """Their numbers. Raises ValueError."""
        unit, rest = divmod(whole, self.of)
        if rest:
            raise ValueError(f"{whole} rows are not {self.of} equal parts")
        return np.concatenate([np.arange(first * unit, last * unit) for first, last in self.strips])


@dataclass(frozen=True)
class Naming:
    """The names of one model's own code."""

    sign: re.Pattern[str]  # what is in the flat name of some layers of a file in these names, and of no other
    parts_of: Callable[[str], tuple[str, Iterable[LayerRows]]]
    """Of a flat name: what stands before the path, and what it is of diffusers'; nothing for other names."""


def split_fused(sources: Mapping[str, Source], namings: Iterable[Naming]) -> dict[str, Source]:
    """A file's layers by name, those in one of `namings` replaced by what they are of diffusers'. Raises
    ExportError."""
    naming = next((one for one in namings if any(map(one.sign.search, map(flatten, sources)))), None)
    if naming is None:
        return dict(sources)
    found: dict[str, Source] = {}
    flat: set[str] = set()
    for name, source in sources.items():
        prefix, parts = naming.parts_of(flatten(name))
        made: dict[str, Source] = {prefix + part.path: partial(_part, source, part) for part in parts} or {
            name: source
        }
        if twice := sorted(flat.intersection(map(flatten, made))):
            raise ExportError(f"The LoRA changes a layer of the model under two names: {twice[0]}, {name}")
        flat.update(map(flatten, made))
        found |= made
    return found


def _part(source: Source, part: LayerRows) -> Layer:
    """Raises ExportError."""
    layer = source()
    return layer if part.of == 1 else rows_of(layer, part)


def rows_of(layer: Layer, part: LayerRows) -> Layer:
    """Some of the rows that a layer changes. Raises ExportError where they cannot be told apart."""
    magnitude = layer.magnitude
    try:
        rows = part.rows(layer.shape[0])
        if magnitude is not None and len(magnitude) != layer.shape[0]:
            raise ValueError("its magnitudes are of inputs, whose norms are over all rows")
    except ValueError as error:
        raise ExportError(f"LoRA layer {layer.name} cannot be split: {error}") from None
    tensors = _rows(layer, rows)
    kind = kind_of(frozenset(tensors))
    assert kind
    return replace(
        layer,
        product=kind.product(tensors),
        tensors=tensors,
        magnitude=None if magnitude is None else magnitude[rows],
    )


def _rows(layer: Layer, rows: npt.NDArray[np.intp]) -> Mapping[str, Array]:
    """As tensors of one of the kinds. Trainers that keep queries, keys and values apart fill the rest of each
    part's rows with zeros: what makes nothing of a rank is left out."""
    tensors = layer.tensors
    if tensors.keys() == {"down", "up"}:
        up = tensors["up"][rows]
        used = np.flatnonzero(np.abs(up).reshape(len(up), up.shape[1], -1).max(axis=(0, 2), initial=0))
        used = used if used.size else np.zeros(1, np.intp)
        return {"down": tensors["down"][used], "up": up[:, used]}
    role = "bias" if "bias" in tensors else "diff"
    return {role: layer.product.of(np.float32(1))[rows]}


def side_by_side(paths: Sequence[str], *, last: int = 1) -> tuple[LayerRows, ...]:
    """Layers whose rows lie one below the other; the last one has `last` times as many as another."""
    ends = [*range(1, len(paths)), len(paths) - 1 + last]
    return tuple(
        LayerRows(path, ((start, end),), ends[-1])
        for path, start, end in zip(paths, [0, *ends], ends, strict=False)
    )
