"""A LoRA's changes to the weights of an exported network, one weight after the other."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from contract.families import Family
from export.errors import ExportError
from export.graphs.half import narrow, widen
from export.graphs.rewrite import Change
from export.graphs.storage import MAX_FP16
from export.lora.adapters import Layer
from export.lora.keys import list_keys
from export.lora.lora_file import Lora
from export.lora.made_for import advise
from export.lora.strength import Strength
from export.lora.targets import (
    Root,
    Target,
    by_flat_path,
    is_of_some_text_encoder,
    is_unused,
    rows_of,
    targets_of,
    vectors_of,
)

STRIP = 1 << 16  # values
BLAS_ROWS = 12
"""That OpenBLAS takes at a time. What is left over goes another way, whose last digit may differ: so a strip
has whole twelves, and a weight becomes what it would as a whole."""
MAX_FP32 = float(np.finfo(np.float32).max)
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Merge:
    """What becomes of one network."""

    lora: Lora
    strength: Strength
    base: Family
    layers: Mapping[str, tuple[Target, str]]  # by initialiser: what it is, and the LoRA's layer for it
    changed: set[str] = field(default_factory=set)  # one of these that is not as it was, if any is

    @classmethod
    def of(
        cls,
        model: onnx.ModelProto,
        lora: Lora,
        names: Sequence[str],
        strength: Strength,
        base: Family,
        roots: Sequence[Root],
    ) -> "Merge":
        """`names`: of the LoRA's layers that are for this network; `roots`: the checkpoint's networks that
        are in the graph. Raises ExportError for a layer without a target, or two for one."""
        pairs, lost = _pairs(names, model, roots)
        if lost:
            advice = advise(lora.made_for, base)
            if any(map(is_of_some_text_encoder, lost)):
                encoders = " or ".join(f"{encoder.name}." for encoder in base.text_encoders)
                advice = f"put {encoders} in front of the keys of the text encoder that they are for"
            raise ExportError(
                f"{len(lost):,} LoRA layers have no target in the model: {list_keys(lost)}; {advice}"
            )
        return cls(lora, strength, base, pairs)

    @property
    def paths(self) -> list[str]:
        """Of the weights that the LoRA has layers for."""
        return [target.full_path for target, _ in self.layers.values()]

    def changes(self, done: Callable[[], None]) -> Mapping[str, Change]:
        """By initialiser; `done` is called after each."""
        return {initialiser: partial(self._strips, initialiser, done) for initialiser in self.layers}

    def _strips(self, initialiser: str, done: Callable[[], None], weight: Array) -> Iterator[Array]:
        """Computes in fp32, and in strips that stay in the processor's cache: a whole layer would go through
        memory once for each step. Raises ExportError if the layer does not fit the weight, or makes a value
        that the weight's type cannot hold."""
        target, _ = self.layers[initialiser]
        layer, shape = self.layer(initialiser), target.shape[::-1] if target.transposed else target.shape
        self.check(layer, shape)
        change = layer.changed_rows(weight, transposed=target.transposed)
        strength = np.float32(self.strength.of(target.full_path))
        matrix = weight.reshape(len(weight), -1)
        count = max(1, STRIP // matrix.shape[1] // BLAS_ROWS) * BLAS_ROWS
        for start in range(0, len(matrix), count):
            rows = slice(start, start + count)
            stored = _sum(matrix[rows], change(rows), strength)
            if stored is None:
                raise ExportError(f"LoRA layer {layer.name} makes values that {weight.dtype} cannot hold")
            if not self.changed and not np.array_equal(stored, matrix[rows]):  # one is enough
                self.changed.add(initialiser)
            yield stored
        done()

    def layer(self, initialiser: str) -> Layer:
        """What the LoRA has for one weight. Raises ExportError."""
        target, name = self.layers[initialiser]
        whole = self.lora.layer(name)
        inputs = math.prod(target.shape) // target.outputs
        return whole.rows(target.rows, inputs) if target.rows else whole

    def check(self, layer: Layer, shape: Sequence[int]) -> None:
        """`shape`: of the weight that it changes, [out, in, …]. Raises ExportError."""
        if not layer.fits(tuple(shape)):
            raise ExportError(
                f"LoRA layer {layer.name} makes {[*layer.shape]}, its target is {[*shape]}; "
                + advise(self.lora.made_for, self.base)
            )


def _pairs(
    names: Iterable[str], model: onnx.ModelProto, roots: Sequence[Root]
) -> tuple[dict[str, tuple[Target, str]], list[str]]:
    """What Merge.layers is, and the names that have no target."""
    found: dict[str, tuple[Target, str]] = {}
    lost = set(names)
    for root in roots:
        targets = targets_of(model, root)
        known = targets | vectors_of(model, root)
        paths = by_flat_path(known, root)
        for name in sorted(lost):
            path = root.path_of(name)
            if path is None or not (path in paths or is_unused(path, root, targets)):
                continue
            lost.remove(name)
            if path in paths:
                several = [known[one] for one in paths[path].ours]
                rows = rows_of(paths[path], [target.outputs for target in several])
                for target, its_rows in zip(several, rows, strict=True):
                    if target.initialiser in found:
                        raise ExportError(
                            f"The LoRA changes a layer of the model under two names: "
                            f"{list_keys([found[target.initialiser][1], name])}"
                        )
                    found[target.initialiser] = replace(target, rows=its_rows), name
    return found, sorted(lost)


def _sum(weight: Array, change: Array, strength: np.float32) -> Array | None:
    """weight + strength · change, the latter in fp32 and used up; None if its type is too small."""
    half = weight.dtype == np.float16
    change *= strength
    change += widen(weight) if half else weight.astype(np.float32)
    if not max(change.max(), -change.min()) <= (MAX_FP16 if half else MAX_FP32):  # NaN is not either
        return None
    return narrow(change) if half else change.astype(weight.dtype)
