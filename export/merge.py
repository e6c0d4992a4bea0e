"""Adds a LoRA's changes to the weights of an exported network."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import onnx

from export.errors import ExportError
from export.lora import Layer, listed
from export.storage import Weights
from export.strength import Strength
from export.targets import UNET, Root, Target, by_file_name, targets_of, unused_layer


def merge(
    model: onnx.ModelProto,
    layers: Iterable[Layer],
    strength: Strength,
    weights: Weights,
    roots: Sequence[Root] = (UNET,),
) -> list[str]:
    """Changes the model's initialisers in place, computing in fp32; returns the paths of the changed.

    `roots`: the checkpoint's networks that are in the graph. Raises ExportError if a layer has no target,
    does not fit it, or makes a value that the target cannot hold. The model is then of no use.
    """
    pairs = _pairs(list(layers), model, roots)
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for target, layer in pairs:
        tensor = held[target.initialiser]
        weights.write(tensor, _changed(weights.read(tensor), target, layer, strength.of(target.full_path)))
    return [target.full_path for target, _ in pairs]


def _pairs(layers: list[Layer], model: onnx.ModelProto, roots: Sequence[Root]) -> list[tuple[Target, Layer]]:
    names: dict[str, Target] = {}
    for root in roots:
        targets = targets_of(model, root)
        names |= by_file_name(targets)
        layers = [layer for layer in layers if not unused_layer(layer.name, targets)]
    lost = [layer.name for layer in layers if layer.name not in names]
    if lost:
        raise ExportError(f"{len(lost)} LoRA layers have no target in the model: {listed(lost)}")
    pairs = {names[layer.name].initialiser: (names[layer.name], layer) for layer in layers}
    if len(pairs) < len(layers):
        raise ExportError("The LoRA changes a layer of the model under two names")
    return list(pairs.values())


def _changed(
    weight: npt.NDArray[np.generic], target: Target, layer: Layer, strength: float
) -> npt.NDArray[np.generic]:
    out, *inputs = target.shape[::-1] if target.transposed else target.shape
    if (layer.up.shape[0], layer.down[0].size) != (out, int(np.prod(inputs))) or (
        layer.down.ndim == 4 and len(inputs) == 3 and list(layer.down.shape[1:]) != inputs
    ):
        raise ExportError(
            f"LoRA layer {layer.name} makes [{layer.up.shape[0]}, {layer.down[0].size}], "
            f"its target is {[out, *inputs]}"
        )
    change = layer.change.reshape(out, *inputs)
    merged = weight.astype(np.float32) + np.float32(strength) * (change.T if target.transposed else change)
    with np.errstate(over="ignore"):  # looked for in the next line
        stored = merged.astype(weight.dtype)
    if not np.isfinite(stored).all():
        raise ExportError(f"LoRA layer {layer.name} makes values that {weight.dtype} cannot hold")
    return stored
