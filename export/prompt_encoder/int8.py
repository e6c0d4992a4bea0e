"""A network of linear layers in 8-bit integers: a scale for each token and for each output of a layer.

Unlike onnxruntime's dynamic quantisation, which has one scale for a whole batch, a text gets the same vector
alone and in any company, padded or not. The scheme is that of ZeroQuant (Yao et al., 2022): per-token
activations, per-channel weights. A token's values lie between its least and its largest, in 255 steps:

    x = least + step * q,  x W = step * (q W) + least * (sum of W's rows)

All of it is plain ONNX, and needs numpy and onnx only.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

Array = npt.NDArray[Any]

# Of a layer's weights; 7 bits. Processors without VNNI add two products of a byte and a weight in 16 bits:
# 2 x 255 x 63 is the most that fits. So all processors give the same vectors.
MAX_WEIGHT = 63
MAX_TABLE_VALUE = 127
MIN_TABLE_SIZE = 1_000_000
"""Elements; a table of words is worth it, those of positions and kinds are not."""

CONSTANTS: Mapping[str, Array] = {
    "int8/half": np.array(0.5, np.float32),
    "int8/steps": np.array(1 / 255, np.float32),
    "int8/least_step": np.array(1e-12, np.float32),  # a token of equal values is not divided by zero
    "int8/last_axis": np.array([-1], np.int64),
}


def store_int8(model: onnx.ModelProto, values: Mapping[str, Array]) -> dict[str, Array]:
    """Changes the graph; returns the values of its initialisers, which save_model takes.

    `values`: as name_weights gives them, [inputs, outputs] for each MatMul with a weight.
    """
    graph = model.graph
    made, nodes = dict(values), []
    held: set[str] = set()  # what is quantised already; several layers share one input
    for node in list(graph.node):
        weight = next((name for name in node.input if name in values and values[name].ndim == 2), "")
        if node.op_type == "MatMul" and node.input[1] == weight:
            nodes += _quantise(node.input[0], held) + _multiply(node)
            _shrink(made, weight, axis=0, largest=MAX_WEIGHT)
            whole = made[weight].sum(axis=0, keepdims=True) * made[_scale(weight)]
            made[_sum(weight)] = whole.astype(np.float32)
        elif node.op_type == "Gather" and weight and values[weight].size >= MIN_TABLE_SIZE:
            nodes += _look_up(node)
            _shrink(made, weight, axis=1, largest=MAX_TABLE_VALUE)
        else:
            nodes.append(node)
    _declare(graph, made)
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    return made


def _shrink(values: dict[str, Array], name: str, *, axis: int, largest: int) -> None:
    value = values[name].astype(np.float32)
    scale = np.abs(value).max(axis=axis, keepdims=True) / largest
    scale[scale == 0] = 1
    values[name] = np.rint(value / scale).astype(np.int8)
    values[_scale(name)] = scale.astype(np.float32)


def _quantise(source: str, held: set[str]) -> list[NodeProto]:
    """[…, D] fp32 → uint8, and the step and the least value [..., 1] of each token."""
    if source in held:
        return []
    held.add(source)
    at = f"{source}/int8"
    return [
        helper.make_node("ReduceMin", [source, "int8/last_axis"], [_least(source)], keepdims=1),
        helper.make_node("ReduceMax", [source, "int8/last_axis"], [f"{at}/largest"], keepdims=1),
        helper.make_node("Sub", [f"{at}/largest", _least(source)], [f"{at}/range"]),
        helper.make_node("Mul", [f"{at}/range", "int8/steps"], [f"{at}/step"]),
        helper.make_node("Max", [f"{at}/step", "int8/least_step"], [_scale(source)]),
        helper.make_node("Sub", [source, _least(source)], [f"{at}/above"]),
        helper.make_node("Div", [f"{at}/above", _scale(source)], [f"{at}/exact"]),
        helper.make_node("Add", [f"{at}/exact", "int8/half"], [f"{at}/shifted"]),
        helper.make_node("Cast", [f"{at}/shifted"], [at], to=TensorProto.UINT8),  # rounds down
    ]


def _multiply(node: NodeProto) -> list[NodeProto]:
    (source, weight), (target,) = node.input, node.output
    return [
        helper.make_node("MatMulInteger", [f"{source}/int8", weight], [f"{target}/int32"], name=node.name),
        helper.make_node("Cast", [f"{target}/int32"], [f"{target}/fp32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{target}/fp32", _scale(source)], [f"{target}/rows"]),
        helper.make_node("Mul", [f"{target}/rows", _scale(weight)], [f"{target}/above"]),
        helper.make_node("Mul", [_least(source), _sum(weight)], [f"{target}/offset"]),
        helper.make_node("Add", [f"{target}/above", f"{target}/offset"], [target]),
    ]


def _look_up(node: NodeProto) -> list[NodeProto]:
    (table, rows), (target,) = node.input, node.output
    return [
        helper.make_node("Gather", [table, rows], [f"{target}/int8"]),
        helper.make_node("Gather", [_scale(table), rows], [f"{target}/scale"]),
        helper.make_node("Cast", [f"{target}/int8"], [f"{target}/fp32"], to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{target}/fp32", f"{target}/scale"], [target]),
    ]


def _scale(name: str) -> str:
    return f"{name}/scale"


def _least(name: str) -> str:
    return f"{name}/least"


def _sum(name: str) -> str:
    return f"{name}/sum"


def _declare(graph: onnx.GraphProto, values: Mapping[str, Array]) -> None:
    known = {tensor.name: tensor for tensor in graph.initializer}
    for name, value in values.items():
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        if name in known:
            known[name].data_type = kind
        else:
            graph.initializer.add(name=name, data_type=kind, dims=value.shape)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in CONSTANTS.items())
