"""Gives a traced graph its weights, under the names that they have in torch; later steps find them by those.

The graph comes without: its weights are inputs of it, as torch calls them. Each becomes an initialiser
`{module path}.weight`, or `{module path}.weight.T` where the graph wants it transposed (every linear layer in
a MatMul), so that no node turns it at run time. Every module has its own, even where two are equal: a LoRA
for one layer then changes no other.
"""

from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from export.errors import ExportError

TRANSPOSED = ".T"
Array = npt.NDArray[Any]


def name_weights(
    model: onnx.ModelProto, parameters: Mapping[str, Array], required: Set[str]
) -> dict[str, Array]:
    """Returns each initialiser's value, a view of the parameter's; the graph has names, types and shapes.

    `parameters` are torch's; ExportError if one in `required` is nowhere in use.
    """
    graph = model.graph
    values = {one.name: parameters[one.name] for one in graph.input if one.name in parameters}
    for position in reversed(range(len(graph.input))):
        if graph.input[position].name in values:
            del graph.input[position]
    _turn(graph, values)
    used = {name for node in graph.node for name in node.input}
    values = {name: value for name, value in values.items() if name in used}
    if missing := sorted(required - {parameter_of(name)[0] for name in values}):
        raise ExportError(f"{len(missing)} weights were lost in the export, such as {missing[0]}")
    for name, value in values.items():
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        graph.initializer.add(name=name, data_type=kind, dims=value.shape)
    return values


def parameter_of(initialiser: str) -> tuple[str, bool]:
    """An initialiser's name as torch's parameter name, and whether it is held transposed."""
    return initialiser.removesuffix(TRANSPOSED), initialiser.endswith(TRANSPOSED)


def _turn(graph: onnx.GraphProto, values: dict[str, Array]) -> None:
    """Does now what nodes would do with a weight alone: transpose a linear layer's, unsqueeze a norm's."""
    constants = {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t)
        for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    stands_for: dict[str, str] = {}
    kept, needless = [], set()
    for node in graph.node:
        source = node.input[0] if node.input else ""
        if node.op_type == "Transpose" and source in values and values[source].ndim == 2:
            stands_for[node.output[0]] = source + TRANSPOSED
            values[source + TRANSPOSED] = values[source].T
        elif node.op_type == "Unsqueeze" and source in values and users[source] == 1:
            stands_for[node.output[0]] = source
            axes = node.input[1]
            values[source] = np.expand_dims(values[source], tuple(constants[axes].tolist()))
            users[axes] -= 1
            needless |= {axes} if not users[axes] else set()
        else:
            kept.append(node)
    for node in kept:
        for position, name in enumerate(node.input):
            node.input[position] = stands_for.get(name, name)
    del graph.node[:]
    graph.node.extend(node for node in kept if not needless.intersection(node.output))
