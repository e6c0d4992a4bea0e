"""A LoRA's changes to the weights of an exported network, one weight after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from export.errors import ExportError
from export.graphs.storage import MAX_FP16
from export.lora.adapters import Layer
from export.lora.lora_file import Lora, list_keys
from export.lora.strength import Strength
from export.lora.targets import UNET, Root, Target, by_file_name, targets_of, unused_layer, vectors_of

STRIP = 1 << 18  # values
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Merge:
    """What becomes of one network; an export.graphs.rewrite.Change."""

    lora: Lora
    strength: Strength
    layers: Mapping[str, tuple[Target, str]]  # by initialiser: what it is, and the LoRA's layer for it

    @classmethod
    def of(
        cls,
        model: onnx.ModelProto,
        lora: Lora,
        names: Sequence[str],
        strength: Strength,
        roots: Sequence[Root] = (UNET,),
    ) -> "Merge":
        """`names`: of the LoRA's layers that are for this network; `roots`: the checkpoint's networks that
        are in the graph. Raises ExportError for a layer without a target, or two for one."""
        return cls(lora, strength, _pairs(list(names), model, roots))

    @property
    def paths(self) -> list[str]:
        """Of the weights that change."""
        return [target.full_path for target, _ in self.layers.values()]

    def __call__(self, initialiser: str, weight: Array) -> Array | None:
        """Computes in fp32. Raises ExportError if the layer does not fit the weight, or makes a value that
        the weight's type cannot hold."""
        if initialiser not in self.layers:
            return None
        target, name = self.layers[initialiser]
        return _change_weight(weight, target, self.lora.layer(name), self.strength.of(target.full_path))


def _pairs(names: list[str], model: onnx.ModelProto, roots: Sequence[Root]) -> dict[str, tuple[Target, str]]:
    known: dict[str, Target] = {}
    for root in roots:
        targets = targets_of(model, root)
        known |= by_file_name(targets) | by_file_name(vectors_of(model, root))
        names = [name for name in names if not unused_layer(name, root, targets)]
    lost = [name for name in names if name not in known]
    if lost:
        raise ExportError(f"{len(lost)} LoRA layers have no target in the model: {list_keys(lost)}")
    pairs = {known[name].initialiser: (known[name], name) for name in names}
    if len(pairs) < len(names):
        raise ExportError("The LoRA changes a layer of the model under two names")
    return pairs


def _change_weight(weight: Array, target: Target, layer: Layer, strength: float) -> Array:
    shape = target.shape[::-1] if target.transposed else target.shape
    if not layer.fits(shape):
        raise ExportError(f"LoRA layer {layer.name} makes {[*layer.shape]}, its target is {[*shape]}")
    change = layer.change(weight.T if target.transposed else weight).reshape(shape)
    stored = _sum(weight, change.T if target.transposed else change, strength)
    if stored is None:
        raise ExportError(f"LoRA layer {layer.name} makes values that {weight.dtype} cannot hold")
    return stored


def _sum(weight: Array, change: Array, strength: float) -> Array | None:
    """weight + strength · change, the latter in fp32 and used up; None if the weight's type cannot hold it.

    In strips that stay in the processor's cache: a whole layer would go through memory once for each step.
    """
    largest = MAX_FP16 if weight.dtype == np.float16 else np.finfo(np.float32).max
    stored = np.empty_like(weight, order="C")
    rows = max(1, STRIP * len(weight) // max(weight.size, 1))
    for start in range(0, len(weight), rows):
        part, strip = change[start : start + rows], slice(start, start + rows)
        part *= np.float32(strength)
        part += weight[strip].astype(np.float32)
        if not max(part.max(), -part.min()) <= largest:  # NaN is not either
            return None
        stored[strip] = part
    return stored
