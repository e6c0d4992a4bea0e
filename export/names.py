"""Gives an ONNX graph's weights the names that they have in torch; later steps then find them without torch.

A weight is called `{module path}.weight`, or `{module path}.weight.T` where the graph holds it transposed
(every linear layer in a MatMul). The exporter's own names are `onnx::MatMul_1234`; but its nodes carry their
module's path, and a module's weights are recognised there by value. It also lets weights of equal value share
one initialiser, which would let a LoRA for one layer change another: here every module gets its own.
"""

from collections.abc import Iterable, Mapping, Set

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.errors import ExportError

TRANSPOSED = ".T"
Array = npt.NDArray[np.generic]


def name_weights(model: onnx.ModelProto, parameters: Mapping[str, Array], required: Set[str]) -> None:
    """Renames in place. `parameters` are torch's; ExportError if one in `required` is nowhere in use."""
    graph = model.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    values = {name: numpy_helper.to_array(tensor) for name, tensor in held.items()}
    _dissolve_identities(graph, held)
    owned = _by_module(parameters)
    named: dict[str, onnx.TensorProto] = {}
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name not in held:
                continue
            transposed = node.op_type == "MatMul" and position == 1
            matches = _matches(values[name], transposed, owned.get(_module_of(node), []), parameters)
            # Among equal ones the order decides: torch and the graph both have the weight before the bias.
            wanted = next((match for match in matches if match not in named), matches[0] if matches else None)
            if wanted is not None:
                named[wanted] = _copy(held[name], wanted)
                node.input[position] = wanted
    found = {parameter_of(name)[0] for name in named}
    if missing := sorted(required - found):
        raise ExportError(f"{len(missing)} weights were lost in the export, such as {missing[0]}")
    _replace_initialisers(graph, named)


def parameter_of(initialiser: str) -> tuple[str, bool]:
    """An initialiser's name as torch's parameter name, and whether it is held transposed."""
    return initialiser.removesuffix(TRANSPOSED), initialiser.endswith(TRANSPOSED)


def _dissolve_identities(graph: onnx.GraphProto, held: Mapping[str, onnx.TensorProto]) -> None:
    """The exporter makes one of equal weights stand for the others through Identity nodes."""
    stands_for: dict[str, str] = {}
    kept = []
    for node in graph.node:
        for position, name in enumerate(node.input):
            node.input[position] = stands_for.get(name, name)
        if node.op_type == "Identity" and node.input[0] in held:
            stands_for[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)


def _by_module(parameters: Iterable[str]) -> dict[str, list[str]]:
    owned: dict[str, list[str]] = {}
    for name in parameters:
        owned.setdefault(name.rpartition(".")[0], []).append(name)
    return owned


def _module_of(node: onnx.NodeProto) -> str:
    """The node /unet/conv_in/Conv belongs to the module unet.conv_in."""
    name: str = node.name
    return name.rpartition("/")[0].strip("/").replace("/", ".")


def _matches(
    value: Array, transposed: bool, candidates: Iterable[str], parameters: Mapping[str, Array]
) -> list[str]:
    """The names that this value may have. Equal values do not tell a square matrix from its transpose: the
    operator does."""
    if transposed:
        return [name + TRANSPOSED for name in candidates if np.array_equal(parameters[name].T, value)]
    # Norms hold theirs as [C, 1, 1], to be broadcast.
    return [name for name in candidates if np.array_equal(parameters[name].ravel(), value.ravel())]


def _copy(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def _replace_initialisers(graph: onnx.GraphProto, named: Mapping[str, onnx.TensorProto]) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used and tensor.name not in named]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *named.values()])
