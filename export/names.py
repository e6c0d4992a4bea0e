"""Gives an ONNX graph's weights the names that they have in torch; later steps then find them without torch.

A weight is called `{module path}.weight`, or `{module path}.weight.T` where the graph holds it transposed
(every linear layer in a MatMul). The exporter's own names are `onnx::MatMul_1234`; but its nodes carry their
module's path, and a module's weights are recognised there by value. It also lets weights of equal value share
one initialiser, which would let a LoRA for one layer change another: here every module gets its own.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from export.errors import ExportError

TRANSPOSED = ".T"
Array = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Use:
    """One input of a node that is a weight or constant."""

    node: onnx.NodeProto
    position: int
    parameter: str | None  # the name that it should have; None: it is no parameter of the node's module


def name_weights(model: onnx.ModelProto, parameters: Mapping[str, Array], required: Set[str]) -> None:
    """Renames in place. `parameters` are torch's; ExportError if one in `required` is nowhere in use."""
    graph = model.graph
    held = {tensor.name: tensor for tensor in graph.initializer}
    _dissolve_identities(graph, held)
    uses = _uses(graph, held, parameters)
    named = {use.parameter for of_one in uses.values() for use in of_one if use.parameter}
    if missing := sorted(required - {parameter_of(name)[0] for name in named}):
        raise ExportError(f"{len(missing)} weights were lost in the export, such as {missing[0]}")
    for name, of_one in uses.items():
        _give_names(graph, held[name], of_one)
    used = {name for node in graph.node for name in node.input}
    for position in reversed(range(len(graph.initializer))):
        if graph.initializer[position].name not in used:
            del graph.initializer[position]


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


def _uses(
    graph: onnx.GraphProto, held: Mapping[str, onnx.TensorProto], parameters: Mapping[str, Array]
) -> dict[str, list[Use]]:
    """By initialiser."""
    owned = _by_module(parameters)
    uses: dict[str, list[Use]] = {}
    taken: set[str] = set()
    for node in graph.node:
        for position, name in enumerate(node.input):
            if name not in held:
                continue
            transposed = node.op_type == "MatMul" and position == 1
            candidates = owned.get(_module_of(node), [])
            matches = _matches(held[name], transposed, candidates, parameters)
            # Among equal ones the order decides: torch and the graph both have the weight before the bias.
            parameter = next(
                (match for match in matches if match not in taken), matches[0] if matches else None
            )
            taken |= {parameter} if parameter else set()
            uses.setdefault(name, []).append(Use(node, position, parameter))
    return uses


def _matches(
    tensor: onnx.TensorProto, transposed: bool, candidates: list[str], parameters: Mapping[str, Array]
) -> list[str]:
    """The names that this tensor may have. Equal values do not tell a square matrix from its transpose: the
    operator does."""
    if not candidates:
        return []
    value = numpy_helper.to_array(tensor)
    if transposed:
        return [name + TRANSPOSED for name in candidates if np.array_equal(parameters[name].T, value)]
    # Norms hold theirs as [C, 1, 1], to be broadcast.
    return [name for name in candidates if np.array_equal(parameters[name].ravel(), value.ravel())]


def _give_names(graph: onnx.GraphProto, tensor: onnx.TensorProto, uses: list[Use]) -> None:
    """The first parameter takes the tensor over, which spares copies of gigabytes; others get their own."""
    owners = sorted({use.parameter for use in uses if use.parameter})
    shared = any(use.parameter is None for use in uses)
    for owner in owners if shared else owners[1:]:
        copy = graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = owner
    if owners and not shared:
        tensor.name = owners[0]
    for use in uses:
        if use.parameter:
            use.node.input[use.position] = use.parameter
